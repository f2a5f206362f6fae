/* Sends the one-time key, once a person sees the page. Without this script, a press of the button. */
(() => {
  "use strict";
  const send = () => document.getElementById("once").requestSubmit();
  if (document.prerendering) document.addEventListener("prerenderingchange", send, { once: true });
  else send();
})();
