// Replay with a keyboard and a mouse: plays the facts one after the other, and keeps slider, frame
// and focus in step with the fact that is shown. Without this file the page works by its links.
"use strict";

(() => {
  const STEP_MILLISECONDS = 1000;
  const FAST_MILLISECONDS = 100;
  let pace = null; // Milliseconds from an answer to the next step; null while nothing plays.
  let timer = null;
  let focused = null;

  const find = (id) => document.getElementById(id);

  const go = (milliseconds) => {
    pace = milliseconds;
    clearTimeout(timer);
    if (pace !== null) timer = setTimeout(() => { const next = find("on"); next ? next.click() : go(null); }, pace);
    label();
  };

  const label = () => {
    const play = find("play");
    if (play === null) return;
    const words = play.parentElement.dataset;
    play.parentElement.hidden = false;
    play.textContent = pace === null ? words.play : words.pause;
    play.setAttribute("aria-pressed", String(pace !== null));
  };

  const follow = () => {
    const step = find("step");
    if (step === null) return;
    const { position, past } = step.dataset;
    if (document.activeElement !== find("at")) find("at").value = position;
    document.body.classList.toggle("past", past === "yes");
    // What was pressed is pressed again and again: its successor has the focus.
    if (focused && find(focused) && document.activeElement === document.body) find(focused).focus();
    go(pace);
  };

  document.addEventListener("click", (event) => {
    if (event.target.id === "play") go(pace === null ? STEP_MILLISECONDS : null);
    if (event.target.id === "play-fast") go(FAST_MILLISECONDS);
  });
  document.addEventListener("keydown", (event) => {
    const taken = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
    if (taken || event.target.closest("input, select, textarea")) return;
    const wanted = { ArrowLeft: "back", ArrowRight: "on" }[event.key];
    if (wanted && find(wanted)) { event.preventDefault(); find(wanted).click(); }
  });
  document.addEventListener("input", (event) => { if (event.target.type === "range") go(null); });
  document.body.addEventListener("htmx:before:swap", () => { focused = document.activeElement.id; });
  document.body.addEventListener("htmx:after:settle", follow);
  for (const failed of ["htmx:response:error", "htmx:error"]) document.body.addEventListener(failed, () => go(null));
  follow();
})();
