/* Follows the console: fetches the page again when there is news, and changes what differs.
   Without this script every page is right as of when it was loaded. */
(() => {
  "use strict";
  const events = document.body.dataset.events;
  const noAnswer = document.getElementById("connection");
  const tooMany = document.getElementById("too-many-viewers");
  let source = null;
  let isFetching = false;
  let isOutdated = false;
  let isLeaving = false;

  /* Make `old` like `fresh` and touch nothing that is the same: focus, selection and scroll stay. */
  const morph = (old, fresh) => {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(fresh.cloneNode(true));
    } else if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
    } else if (!old.hasAttribute("data-keep") && !old.matches("input, select, textarea")) {
      morphAttributes(old, fresh);
      morphChildren(old, [...old.childNodes], [...fresh.childNodes]);
    }
  };

  const morphAttributes = (old, fresh) => {
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
  };

  const morphChildren = (parent, olds, freshs) => {
    freshs.forEach((fresh, at) => {
      if (at < olds.length) morph(olds[at], fresh);
      else parent.append(fresh.cloneNode(true));
    });
    olds.slice(freshs.length).forEach((extra) => extra.remove());
  };

  const refresh = async () => {
    if (isFetching) {
      isOutdated = true;
      return;
    }
    isFetching = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.status === 401 && !isLeaving) location.reload();
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of page.querySelectorAll("[data-live][id]")) {
        const shown = document.getElementById(part.id);
        if (shown) morph(shown, part);
      }
      document.title = page.title;
      document.dispatchEvent(new Event("refreshed"));
    } catch {
      /* The stream of events says when the console is back. */
    } finally {
      isFetching = false;
      if (isOutdated) {
        isOutdated = false;
        refresh();
      }
    }
  };

  /* Show this notice and no other; none if it is null. */
  const show = (notice) => {
    for (const each of [noAnswer, tooMany]) each.hidden = each !== notice;
  };

  /* A source of events does not tell why it was refused. Null if there is room by now. */
  const findFault = async () => {
    try {
      const answer = await fetch(events, { method: "HEAD", cache: "no-store" });
      if (answer.ok) return null;
      return answer.status === 503 ? tooMany : noAnswer;
    } catch {
      return noAnswer;
    }
  };

  /* A browser allows few connections to one address, so a tab that nobody sees gives its own up. */
  const follow = () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) {
      source = new EventSource(events);
      source.addEventListener("news", () => {
        show(null);
        refresh();
      });
      source.addEventListener("open", () => show(null));
      source.addEventListener("error", async () => {
        if (source.readyState === EventSource.CLOSED) {
          source = null;
          setTimeout(follow, 5000);
          show(await findFault());
        } else {
          show(noAnswer);
        }
      });
    }
  };

  const selectAll = (event) => {
    const command = event.target.closest("[data-copy]");
    if (command) getSelection().selectAllChildren(command);
  };

  /* After "Sign out" a refresh is refused, and a reload would cancel the way to the next page. */
  const leave = (event) => {
    if (event.target.matches("form[method=post]")) isLeaving = true;
  };

  document.addEventListener("click", selectAll);
  document.addEventListener("submit", leave);
  if (events && document.querySelector("[data-live]")) {
    document.addEventListener("visibilitychange", follow);
    follow();
  }
})();
