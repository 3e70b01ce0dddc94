// The lecturer's clock: the time of day, and how long the lecture has gone on.
"use strict";
const part = (id) => document.getElementById(id);
let began = Number(sessionStorage.getItem("began")) || Date.now();

function tick() {
  part("now").textContent = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  part("since").textContent = Math.floor((Date.now() - began) / 60000);
  sessionStorage.setItem("began", began); // another lecture's notes go on with it
}

part("again").addEventListener("click", () => {
  began = Date.now();
  tick();
});
setInterval(tick, 1000);
tick();
