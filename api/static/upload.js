// Choosing a file: by drop, by button, by keyboard.

export function startUpload({ limitBytes, onFile, onProblem }) {
  const drop = document.getElementById("drop");
  const input = document.getElementById("file");

  function take(files) {
    const [file] = files;
    if (!file) return;
    if (file.size > limitBytes) {
      onProblem({ message: `${file.name} is too large`, fix: `choose a file of at most ${Math.floor(limitBytes / 1e6)} MB` });
    } else {
      onFile(file);
    }
  }

  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";
  });
  const over = (on) => (event) => {
    event.preventDefault();
    drop.classList.toggle("over", on);
  };
  window.addEventListener("dragover", over(true));
  window.addEventListener("dragleave", (event) => event.relatedTarget === null && over(false)(event));
  window.addEventListener("drop", (event) => {
    over(false)(event);
    take(event.dataTransfer.files);
  });
}
