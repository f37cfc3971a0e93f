// A pause in typing counts as Ctrl+Enter, with which an input of Streamlit takes over what stands in it.

const PAUSE = 500; // ms

export default function ({ data }) {
  let waiting;
  const typed = ({ target }) => {
    if (!target.closest(`[class*="st-key-${data.keys}"]`)) return;
    clearTimeout(waiting);
    const apply = { key: "Enter", code: "Enter", ctrlKey: true, bubbles: true, cancelable: true };
    waiting = setTimeout(() => target.dispatchEvent(new KeyboardEvent("keydown", apply)), PAUSE);
  };
  document.addEventListener("input", typed);
  return () => {
    clearTimeout(waiting);
    document.removeEventListener("input", typed);
  };
}
