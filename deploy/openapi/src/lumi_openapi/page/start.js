// Starts Swagger UI on the document that lies beside it.
"use strict";

const SIGNED_IN = /\/v1\/auth:(signIn|refreshToken|verifyTwoFactor|createGuestSession)$/;
const SIGNED_OUT = /\/v1\/auth:signOut$/;

// Whoever signs in on the page is signed in on the page: the token of the answer goes along with the next calls.
function keepToken(response) {
  if (response.ok && SIGNED_IN.test(response.url)) {
    const answer = response.body || {};
    const token = answer.accessToken || (answer.tokens || {}).accessToken;
    if (token) {
      ui.preauthorizeApiKey("bearer", token);
    }
  }
  if (response.ok && SIGNED_OUT.test(response.url)) {
    ui.authActions.logout(["bearer"]);
  }
  return response;
}

const ui = SwaggerUIBundle({
  url: "/docs/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  docExpansion: "none", // more than 150 rows at once are drawn only where they are seen
  filter: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 3,
  defaultModelRendering: "example",
  showExtensions: false,
  validatorUrl: "none",
  responseInterceptor: keepToken,
});

// Links in the text to a call open it here and not in another tab, where nobody is signed in.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#/"]');
  if (link && link.target === "_blank") {
    event.preventDefault();
    window.location.hash = link.hash;
    ui.layoutActions.parseDeepLinkHash(link.hash);
    const [, tag, name] = decodeURIComponent(link.hash).split("/");
    requestAnimationFrame(() => {
      const call = document.getElementById(`operations-${tag.replaceAll(" ", "_")}-${name}`);
      if (call) {
        call.scrollIntoView();
      }
    });
  }
});
