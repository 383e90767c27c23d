// What Gradio's components do not do by themselves: markers and cards that belong together, articles in a viewer over
// the page, copying, saving. Plain DOM; all content comes from the server as HTML that is escaped there.
(() => {
  const russian = (navigator.language || "").toLowerCase().startsWith("ru");
  const WORDS = russian
    ? {
        close: "Закрыть",
        tab: "Открыть в новой вкладке",
        copied: "Скопировано",
        article: "Статья",
        sources: "Источники",
        lost: "Связь с сервером потеряна. Страница ждёт его; разговор сохранён.",
      }
    : {
        close: "Close",
        tab: "Open in a new tab",
        copied: "Copied",
        article: "Article",
        sources: "Sources",
        lost: "The server cannot be reached. The page waits for it; the conversation is kept.",
      };
  const near = (target, selector) => (target instanceof Element ? target.closest(selector) : null);
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  // --- markers and cards

  const cardOf = (marker) => document.getElementById((marker.getAttribute("href") || "").slice(1));
  const markersOf = (card) => document.querySelectorAll(`a.otvet-marker[href="#${CSS.escape(card.id)}"]`);

  function choosePanel(n) {
    const panels = [...document.querySelectorAll(".otvet-panel")];
    const chosen = panels.find((panel) => panel.dataset.exchange === String(n));
    if (chosen) panels.forEach((panel) => panel.classList.toggle("is-chosen", panel === chosen));
  }

  function highlight(element, on) {
    const marker = near(element, "a.otvet-marker");
    const card = marker ? cardOf(marker) : near(element, ".otvet-card[id]");
    if (!card) return;
    card.classList.toggle("is-marked", on);
    markersOf(card).forEach((one) => one.classList.toggle("is-marked", on));
  }

  function showCard(marker) {
    const card = cardOf(marker);
    if (!card) return;
    choosePanel(card.closest(".otvet-panel").dataset.exchange);
    card.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    card.querySelector("a.otvet-open").focus({ preventScroll: true });
  }

  // --- articles

  let viewer = null;

  function openArticle(link) {
    closeViewer();
    viewer = document.createElement("dialog");
    viewer.className = "otvet-viewer";
    viewer.setAttribute("aria-label", link.textContent || WORDS.article);
    const bar = document.createElement("div");
    const tab = document.createElement("a");
    Object.assign(tab, { href: link.href, target: "_blank", rel: "noopener", textContent: WORDS.tab });
    const close = document.createElement("button");
    Object.assign(close, { type: "button", textContent: WORDS.close });
    close.addEventListener("click", () => history.back());
    bar.append(tab, close);
    const frame = document.createElement("iframe");
    frame.title = link.textContent || WORDS.article;
    // No scripts in there. Same origin, so that Escape can be heard in it and its fragment is scrolled to.
    frame.setAttribute("sandbox", "allow-same-origin allow-popups allow-popups-to-escape-sandbox");
    frame.src = link.href;
    frame.addEventListener("load", () => {
      const inside = frame.contentDocument;
      if (!inside) return;
      inside.addEventListener("keydown", (event) => event.key === "Escape" && history.back());
      const quote = inside.getElementById("quote");
      if (quote) quote.scrollIntoView({ block: "center" });
    });
    viewer.append(bar, frame);
    viewer.addEventListener("cancel", (event) => (event.preventDefault(), history.back()));
    viewer.addEventListener("click", (event) => event.target === viewer && history.back());
    document.querySelector(".gradio-container .contain").append(viewer); // where Gradio's CSS of ours holds
    history.pushState({ otvet: "article" }, "");
    viewer.showModal();
    close.focus();
    const opener = link;
    viewer.addEventListener("close", () => opener.isConnected && opener.focus({ preventScroll: true }));
  }

  function closeViewer() {
    if (!viewer) return;
    const closing = viewer;
    viewer = null;
    closing.close();
    closing.remove();
  }

  window.addEventListener("popstate", closeViewer);

  // --- copying and saving

  function answerText(button) {
    const message = button.closest(".otvet-message");
    const text = message.querySelector(".otvet-text").innerText.trim();
    const cards = [...new Set([...message.querySelectorAll("a.otvet-marker")].map(cardOf))].filter(Boolean);
    const sources = cards.map((card) => {
      const title = card.querySelector("a.otvet-open");
      const original = card.querySelector("a.otvet-original");
      const parts = [
        `[${card.querySelector(".otvet-number").innerText}] ${title.innerText}`,
        card.querySelector(".otvet-facts").textContent,
        card.querySelector(".otvet-quote").textContent,
        (original || title).href,
      ];
      return parts.join("\n");
    });
    return [text, ...(sources.length ? [`${WORDS.sources}:`, ...sources] : [])].join("\n\n");
  }

  function copySelected(text) {
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = text;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }

  async function copy(button) {
    const label = button.textContent;
    const text = answerText(button);
    // Browsers give pages that came over plain http from another machine no clipboard.
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else if (!copySelected(text)) return;
    button.textContent = WORDS.copied;
    setTimeout(() => (button.textContent = label), 2000);
  }

  function save(file) {
    if (!file || !file.text) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([file.text], { type: "text/markdown;charset=utf-8" }));
    link.download = file.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  window.otvet = { save };

  // --- a session that has ended while the page was open

  const ask = window.fetch;
  let isLeaving = false;
  window.fetch = async (...what) => {
    const reply = await ask(...what);
    if (reply.status === 401 && !isLeaving) {
      isLeaving = true;
      location.assign("/login");
    }
    return reply;
  };

  // Boxes for days get the browser's own picker, in its language.
  const pickDays = () =>
    document.querySelectorAll(".otvet-day input:not([type=date])").forEach((input) => (input.type = "date"));

  // Gradio labels each message with its source, HTML and all; a screen reader should read what it shows. And it says in
  // English alone that the server is gone.
  new MutationObserver(() => {
    pickDays();
    for (const message of document.querySelectorAll("#otvet-chat [data-testid][aria-label]"))
      message.removeAttribute("aria-label");
    for (const toast of document.querySelectorAll("[data-testid=toast-text]"))
      if (toast.textContent.trim().startsWith("Connection to the server was lost")) toast.textContent = WORDS.lost;
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["aria-label"] });

  // --- what the reader does

  document.addEventListener("click", (event) => {
    const marker = near(event.target, "a.otvet-marker");
    if (marker) return event.preventDefault(), showCard(marker);
    const link = near(event.target, "a.otvet-open, a.otvet-open-article");
    const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) && event.button === 0;
    if (link && plain) return event.preventDefault(), openArticle(link);
    const button = near(event.target, "button.otvet-copy");
    if (button) return copy(button);
    const message = near(event.target, ".otvet-message");
    if (message) {
      const all = [...document.querySelectorAll("#otvet-chat .otvet-message:not(.otvet-asked)")];
      if (all.includes(message)) choosePanel(all.indexOf(message));
    }
  }, true);
  for (const [type, on] of [["mouseover", true], ["mouseout", false], ["focusin", true], ["focusout", false]])
    document.addEventListener(type, (event) => highlight(event.target, on));
})();
