// A phone's page: looks for the open question, sends an answer, shows the result. No library, no other server.
"use strict";
const EVERY = 1500; // ms between two looks; none while the page is hidden
const part = (id) => document.getElementById(id);
const base = location.pathname.replace(/[^/]*$/, "");
const code = location.pathname.slice(base.length);
let shown = "", sending = false, revealed = false;

const cookie = (name) => document.cookie.split("; ").find((c) => c.startsWith(name + "="))?.slice(name.length + 1) ?? "";
// The lecture's texts mark code and stress; a phone shows the words.
const plain = (text) => text.replace(/\*\*|`/g, "");
const number = (x) => (typeof x === "number" ? String(+x.toPrecision(4)) : x);

function say(words, wrong = false) {
  if (part("said").textContent !== words) part("said").textContent = words;
  part("said").className = wrong ? "wrong" : "";
}

function build(question, mine) {
  part("text").textContent = plain(question.text);
  const inputs = part("inputs");
  inputs.replaceChildren();
  if (question.kind === "choice") {
    for (const choice of question.choices) {
      const label = document.createElement("label"), input = document.createElement("input");
      label.className = "choice";
      Object.assign(input, { type: "radio", name: "answer", value: choice, required: true, checked: choice === mine });
      label.append(input, plain(choice));
      inputs.append(label);
    }
  } else {
    const input = document.createElement("input");
    Object.assign(input, { type: "text", name: "answer", inputMode: "text", autocomplete: "off", maxLength: 40, required: true });
    input.setAttribute("aria-labelledby", "text");
    input.placeholder = "a number, such as 30, 0.25 or 25 %";
    if (mine !== null && mine !== undefined) input.value = number(mine);
    inputs.append(input);
  }
}

function show(state) {
  const question = state.question;
  part("ask").hidden = !question;
  part("result").hidden = !question || !state.revealed;
  if (!question) return say("Wait for the question.");
  const asked = JSON.stringify([question, state.revealed]);
  if (asked !== shown) {
    shown = asked;
    revealed = state.revealed;
    build(question, state.mine);
    for (const input of part("ask").elements) input.disabled = revealed;
    part("send").hidden = revealed;
    const mine = state.mine ?? null;
    say(revealed ? "" : mine === null ? "" : `Your answer: ${number(mine)}. You may change it until the result is out.`);
    if (revealed) {
      part("result").textContent =
        `Measured: ${number(state.measured ?? "")}. ` + (mine === null ? "You gave no answer." : `Your answer: ${number(mine)}.`);
    }
  }
}

async function call(path, options) {
  const answer = await fetch(`${base}${code}/${path}`, { cache: "no-store", ...options });
  const body = await answer.json();
  if (!answer.ok) throw new RangeError(body.error);
  return body;
}

async function look() {
  if (!document.hidden && !sending) {
    try {
      show(await call("now"));
    } catch (error) {
      say(error instanceof RangeError ? error.message : "The room does not answer. This page goes on trying.", true);
      shown = "";
    }
  }
  setTimeout(look, EVERY);
}

part("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const value = new FormData(part("ask")).get("answer");
  sending = true;
  part("send").disabled = true;
  try {
    const key = JSON.parse(shown)[0].key;
    const headers = { "Content-Type": "application/json", "X-XSRFToken": cookie("_xsrf") };
    const { mine } = await call("answer", { method: "POST", headers, body: JSON.stringify({ key, value }) });
    say(`Your answer: ${number(mine)}. You may change it until the result is out.`);
  } catch (error) {
    say(error instanceof RangeError ? error.message : "That did not arrive: send it once more.", true);
  }
  part("send").disabled = false;
  sending = false;
});

part("join").addEventListener("submit", (event) => {
  event.preventDefault();
  location.assign(base + encodeURIComponent(part("code").value.trim().toUpperCase()));
});

if (code) look();
else {
  part("join").hidden = false;
  say("");
}
