// Keeps the numbers fresh, and copies what is to be copied. The page says everything without it.

const EVERY = 10_000;
const at = (id) => document.getElementById(id);

function show({ keys, lastHour }) {
  const attempts = Object.values(lastHour).reduce((sum, count) => sum + count, 0);
  const served = lastHour.served ?? 0;
  const numbers = {
    serving: keys.serving,
    resting: keys.resting + keys.held,
    paused: keys.paused,
    disabled: keys.disabled,
    served,
    elsewhere: attempts - served,
  };
  for (const [id, number] of Object.entries(numbers)) {
    if (at(id).textContent !== String(number)) at(id).textContent = number;
  }
  at("now").className = `open-${keys.serving > 0 ? "yes" : "no"}`;
}

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch("/pool").catch(() => undefined);
  if (answer?.ok) show(await answer.json());
}

/** A button before each example, where the browser lets us copy. */
function offerCopies() {
  const { copy, copied } = document.documentElement.dataset;
  for (const example of document.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = copy;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(example.textContent);
      button.textContent = copied;
      setTimeout(() => { button.textContent = copy; }, 2_000);
    });
    example.before(button);
  }
}

if (navigator.clipboard) offerCopies();
setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
