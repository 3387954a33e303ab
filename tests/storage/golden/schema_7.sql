-- A small library of schema 6, dumped with sqlite3.Connection.iterdump, its text index made anew. Never edited.
BEGIN TRANSACTION;
CREATE TABLE artefact_parts (
                kind TEXT NOT NULL, version INTEGER NOT NULL, part INTEGER NOT NULL, payload BLOB NOT NULL,
                PRIMARY KEY (kind, version, part),
                FOREIGN KEY (kind, version) REFERENCES artefacts (kind, version) ON DELETE CASCADE);
INSERT INTO "artefact_parts" VALUES('model',1,0,X'6669727374');
INSERT INTO "artefact_parts" VALUES('model',2,0,X'7365636F6E64');
CREATE TABLE artefacts (
                kind TEXT NOT NULL, version INTEGER NOT NULL, fingerprint TEXT NOT NULL, summary TEXT NOT NULL,
                created_at REAL NOT NULL, size_bytes BIGINT NOT NULL, sha256 TEXT NOT NULL,
                PRIMARY KEY (kind, version));
INSERT INTO "artefacts" VALUES('model',1,'external:golden','{"factors": 2}',1.79534442081633329388e+09,5,'a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e');
INSERT INTO "artefacts" VALUES('model',2,'external:golden','{"factors": 2}',1.79534442084028983115e+09,6,'16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4');
CREATE TABLE changes (kind TEXT, subject TEXT, seq BIGINT NOT NULL, PRIMARY KEY (kind, subject));
INSERT INTO "changes" VALUES('track','t1',2);
INSERT INTO "changes" VALUES('track','t2',3);
INSERT INTO "changes" VALUES('plays','',4);
INSERT INTO "changes" VALUES('switch','model',6);
INSERT INTO "changes" VALUES('switch','ears',7);
CREATE TABLE current_artefacts (
                kind TEXT PRIMARY KEY, version INTEGER NOT NULL,
                FOREIGN KEY (kind, version) REFERENCES artefacts (kind, version));
INSERT INTO "current_artefacts" VALUES('model',2);
CREATE TABLE embeddings (
                fingerprint_key BIGINT NOT NULL REFERENCES fingerprints (key),
                track_key BIGINT NOT NULL REFERENCES tracks (key) ON DELETE CASCADE,
                vector BLOB NOT NULL, PRIMARY KEY (fingerprint_key, track_key));
INSERT INTO "embeddings" VALUES(1,1,X'9A99193FCDCC4C3F');
CREATE TABLE file_stamps (
                path BLOB PRIMARY KEY, size_bytes BIGINT NOT NULL, mtime_ns BIGINT NOT NULL,
                content_hash TEXT NOT NULL, track_key BIGINT NOT NULL REFERENCES tracks (key) ON DELETE CASCADE);
INSERT INTO "file_stamps" VALUES(X'2F6D757369632F74312E666C6163',1234,1700000000123456789,'abababababababababababababababababababababababababababababababab',1);
CREATE TABLE fingerprints (key INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL);
INSERT INTO "fingerprints" VALUES(1,'external:golden',2);
CREATE TABLE hybridrec_migrations (
	number INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	applied_at DOUBLE NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "hybridrec_migrations" VALUES(1,'tracks, plays, embeddings, artefacts and the feed of changes',1.79534442075474166868e+09);
INSERT INTO "hybridrec_migrations" VALUES(2,'tokens',1.795353361658498764e+09);
INSERT INTO "hybridrec_migrations" VALUES(3,'listens, and the names that they find their tracks by',1.79535520862139821047e+09);
INSERT INTO "hybridrec_migrations" VALUES(4,'tracks by artist and by album',1.79536768377763772007e+09);
INSERT INTO "hybridrec_migrations" VALUES(5,'names by keys of bounded length, and an index of parts of words',1.79580607751827144623e+09);
INSERT INTO "hybridrec_migrations" VALUES(6,'folders of music that audio may be served from, and kept files of one track each',1.79580692414036941525e+09);
INSERT INTO "hybridrec_migrations" VALUES(7,'tokens that serve one person: those that were made for a user of another name than their own',1.7958094e+09);
CREATE TABLE kept_files (
                content_hash TEXT PRIMARY KEY,
                track_key BIGINT NOT NULL UNIQUE REFERENCES tracks (key) ON DELETE CASCADE);
CREATE TABLE listen_name_keys (
                name_key BIGINT NOT NULL, listen_key BIGINT NOT NULL REFERENCES listens (key) ON DELETE CASCADE,
                PRIMARY KEY (name_key, listen_key)) WITHOUT ROWID;
INSERT INTO "listen_name_keys" VALUES(-7347731350038952686,1);
INSERT INTO "listen_name_keys" VALUES(-6807030277234773502,1);
INSERT INTO "listen_name_keys" VALUES(-3357674567350615551,1);
INSERT INTO "listen_name_keys" VALUES(888327885297922902,1);
INSERT INTO "listen_name_keys" VALUES(9048680276230390472,1);
CREATE TABLE listens (
                key INTEGER PRIMARY KEY, "user" TEXT NOT NULL, listened_at REAL NOT NULL, artist TEXT NOT NULL,
                title TEXT NOT NULL, album TEXT NOT NULL, recording_mbid TEXT NOT NULL, heard_seconds REAL,
                UNIQUE ("user", listened_at, artist, title));
INSERT INTO "listens" VALUES(1,'ann',1700000000.0,'Nobody','Nowhere','','',NULL);
CREATE TABLE music_folders (path BLOB PRIMARY KEY);
INSERT INTO "music_folders" VALUES(X'2F6D75736963');
CREATE TABLE plays (
                user_key BIGINT NOT NULL REFERENCES users (key) ON DELETE CASCADE,
                track_key BIGINT NOT NULL REFERENCES tracks (key) ON DELETE CASCADE,
                played_at REAL NOT NULL, fraction REAL, weight REAL, seq BIGINT NOT NULL,
                PRIMARY KEY (user_key, track_key, played_at)) WITHOUT ROWID;
INSERT INTO "plays" VALUES(1,1,1700000000.5,0.75,NULL,4);
INSERT INTO "plays" VALUES(1,2,-1.0,NULL,3.0,4);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO "settings" VALUES('ears','external:golden');
CREATE TABLE tokens (
                key INTEGER PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, listener TEXT NOT NULL,
                digest TEXT NOT NULL UNIQUE, created_at REAL NOT NULL, revoked_at REAL, person TEXT);
INSERT INTO "tokens" VALUES(1,'ann','write','ann','bc783ba9da65cafaf1565f873c005f6fa4ce2ab4650688afdef6160e92faf6ba',1.79535336167548441885e+09,NULL,NULL);
CREATE TABLE track_name_keys (
                name_key BIGINT NOT NULL, track_key BIGINT NOT NULL REFERENCES tracks (key) ON DELETE CASCADE,
                PRIMARY KEY (name_key, track_key)) WITHOUT ROWID;
INSERT INTO "track_name_keys" VALUES(-8864903103938931785,1);
INSERT INTO "track_name_keys" VALUES(-7995614924501696263,1);
INSERT INTO "track_name_keys" VALUES(-5678481983807349530,1);
INSERT INTO "track_name_keys" VALUES(-3579244115989190424,1);
INSERT INTO "track_name_keys" VALUES(4349068632223126127,1);
CREATE TABLE track_names (
                track_key BIGINT PRIMARY KEY REFERENCES tracks (key) ON DELETE CASCADE,
                artist TEXT NOT NULL, title TEXT NOT NULL);
INSERT INTO "track_names" VALUES(1,'ann','blabær');
CREATE VIRTUAL TABLE track_search USING fts5(searchable, content='tracks', content_rowid='key', tokenize='trigram case_sensitive 1');
CREATE TABLE tracks (
                key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, artist TEXT NOT NULL, album TEXT NOT NULL,
                genre TEXT NOT NULL, duration_seconds REAL, path BLOB, content_hash TEXT,
                searchable TEXT NOT NULL, recording_mbid TEXT NOT NULL DEFAULT '');
INSERT INTO "tracks" VALUES(1,'t1','Blåbær','Ann','','',12.5,X'2F6D757369632F74312E666C6163','abababababababababababababababababababababababababababababababab','t1 blabær ann ','');
INSERT INTO "tracks" VALUES(2,'t2','','','','',NULL,NULL,NULL,'t2','');
CREATE TABLE users (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
INSERT INTO "users" VALUES(1,'ann');
CREATE INDEX tracks_content_hash ON tracks (content_hash);
CREATE INDEX file_stamps_track ON file_stamps (track_key);
CREATE INDEX embeddings_track ON embeddings (track_key);
CREATE INDEX plays_track ON plays (track_key, user_key);
CREATE INDEX plays_seq ON plays (seq);
CREATE INDEX changes_seq ON changes (seq);
CREATE INDEX tracks_recording_mbid ON tracks (recording_mbid) WHERE recording_mbid <> '';
CREATE INDEX listens_recording_mbid ON listens (recording_mbid) WHERE recording_mbid <> '';
CREATE INDEX tracks_artist ON tracks  (artist);
CREATE INDEX tracks_album ON tracks  (album);
CREATE INDEX track_name_keys_track ON track_name_keys (track_key);
CREATE INDEX listen_name_keys_listen ON listen_name_keys (listen_key);
CREATE INDEX tracks_path ON tracks  (path);
INSERT INTO track_search (track_search) VALUES ('rebuild');
COMMIT;
