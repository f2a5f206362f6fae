/* Shows the number of chosen orders. Without this script the page works as well. */
(() => {
  "use strict";
  const form = document.getElementById("holds-form");
  const chosen = document.getElementById("chosen");
  if (!form || !chosen) return;
  const count = () => {
    const number = form.querySelectorAll('input[name="order"]:checked').length;
    chosen.textContent = number ? ` (${number})` : "";
  };
  form.addEventListener("change", count);
  count();
})();
