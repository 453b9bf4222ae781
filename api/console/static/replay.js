// Replay with a keyboard and a mouse: plays the facts one after the other, and keeps the boxes of
// the page in step with the fact that is shown. Without this file the page works by its links.
"use strict";

(() => {
  const STEP_MILLISECONDS = 1000;
  const FAST_MILLISECONDS = 100;
  let playing = null;

  const find = (id) => document.getElementById(id);

  const stop = () => {
    clearTimeout(playing);
    playing = null;
    label();
  };

  const label = () => {
    const play = find("play");
    if (play === null) return;
    const words = play.parentElement.dataset;
    play.parentElement.hidden = false;
    play.textContent = playing === null ? words.play : words.pause;
    play.setAttribute("aria-pressed", String(playing !== null));
  };

  const advance = (milliseconds) => {
    playing = setTimeout(() => {
      const next = find("on");
      if (next === null) return stop();
      // The answer that is swapped in arranges the step after it.
      document.body.addEventListener("htmx:after:settle", () => {
        if (playing !== null) advance(milliseconds);
        label();
      }, { once: true });
      next.click();
    }, milliseconds);
    label();
  };

  const follow = () => {
    const step = find("step");
    if (step === null) return;
    const { position, instant, past } = step.dataset;
    for (const id of ["at", "position"]) if (find(id) && document.activeElement !== find(id)) find(id).value = position;
    if (find("instant")) find("instant").value = instant;
    document.body.classList.toggle("past", past === "yes");
    label();
  };

  document.addEventListener("click", (event) => {
    if (event.target.id === "play") playing === null ? advance(STEP_MILLISECONDS) : stop();
    if (event.target.id === "play-fast") { stop(); advance(FAST_MILLISECONDS); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea")) return;
    const wanted = { ArrowLeft: "back", ArrowRight: "on" }[event.key];
    if (wanted && find(wanted)) { event.preventDefault(); find(wanted).click(); }
  });
  document.addEventListener("input", (event) => { if (event.target.type === "range") stop(); });
  document.body.addEventListener("htmx:after:settle", follow);
  document.body.addEventListener("htmx:response:error", stop);
  document.body.addEventListener("htmx:error", stop);
  follow();
})();
