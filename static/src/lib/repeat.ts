/** Do again what a person did and what did not reach the server. */

const ACTS = new Set(['click', 'submit', 'change', 'input', 'keyup', 'search']);

/** Whether a person did it; a page that asks by itself asks again by itself. */
export function isAct(event: Event | undefined): event is Event {
  return event !== undefined && ACTS.has(event.type);
}

export function repeat(element: Element, act: Event): void {
  if (!element.isConnected) return;
  if (element instanceof HTMLFormElement && act.type === 'submit') {
    const { submitter } = act as SubmitEvent;
    element.requestSubmit(submitter?.isConnected ? submitter : null);
  } else element.dispatchEvent(new Event(act.type, { bubbles: true, cancelable: true }));
}
