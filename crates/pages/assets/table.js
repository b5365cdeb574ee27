// Keeps the numbers fresh, and copies what is to be copied. The page says everything without it; what
// is fresh is the same page, asked for again.

const EVERY = 10_000;

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { cache: "no-store" }).catch(() => undefined);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [now, then] = [document, fresh].map((page) => page.getElementById("now"));
  if (!now.isEqualNode(then)) now.replaceWith(document.adoptNode(then));
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
