// Copies the address of the page, and says so for a moment.

const SAID = 1500; // ms

async function copy(address) {
  try {
    await navigator.clipboard.writeText(address);
  } catch {
    // no clipboard without https: the old way, by a field that is selected
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = address;
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (!done) throw new Error("the browser does not allow it");
  }
}

export default function ({ parentElement }) {
  const button = parentElement.querySelector(".copy");
  const told = parentElement.querySelector(".told");
  let timer;
  button.onclick = async () => {
    clearTimeout(timer);
    try {
      await copy(window.location.href);
      button.textContent = "Copied";
      told.textContent = "The link was copied.";
    } catch (error) {
      button.textContent = "Not copied";
      told.textContent = `The link was not copied: ${error.message}.`;
    }
    timer = setTimeout(() => {
      button.textContent = "Copy link";
      told.textContent = "";
    }, SAID);
  };
  return () => clearTimeout(timer);
}
