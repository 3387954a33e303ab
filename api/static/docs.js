// Shows the OpenAPI document with Swagger UI, which is bundled: no other host is asked.
const place = document.getElementById("swagger-ui");

window.SwaggerUIBundle({
  url: place.dataset.contract,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
});
