/** htmx under a strict Content-Security-Policy, with morphing so that focus and open menus survive an update. */

import htmx from 'htmx.org';
import { Idiomorph } from 'idiomorph';
import { isAct, repeat } from './repeat';
import { text } from './text';
import { showToast } from './toasts';

htmx.config.allowEval = false;
htmx.config.includeIndicatorStyles = false;
htmx.config.selfRequestsOnly = true;
// Pages may show patients: nothing of them is kept in the browser's storage.
htmx.config.historyCacheSize = 0;
htmx.config.refreshOnHistoryMiss = true;
htmx.config.scrollBehavior = 'auto';
htmx.config.responseHandling = [
  { code: '204', swap: false },
  { code: '[23]..', swap: true },
  // A form that was refused comes back with its errors.
  { code: '422', swap: true },
  { code: '[45]..', swap: false, error: true },
];

htmx.defineExtension('morph', {
  isInlineSwap: (style: string) => style === 'morph:outerHTML',
  handleSwap: (style: string, target: Node, fragment: Node) => {
    if (!style.startsWith('morph') || !(target instanceof Element)) return false;
    const content = fragment instanceof DocumentFragment ? [...fragment.children] : [fragment as Element];
    const morphed = Idiomorph.morph(target, content, {
      morphStyle: style === 'morph:innerHTML' ? 'innerHTML' : 'outerHTML',
      ignoreActiveValue: true,
      callbacks: {
        // Words typed while the answer was on its way stay.
        beforeAttributeUpdated: (name: string, node: Element) => !(name === 'value' && node === document.activeElement),
      },
    });
    return (morphed ?? [target]) as Node[];
  },
});

interface SendErrorEvent extends CustomEvent {
  detail: { elt: Element; requestConfig: { verb: string; triggeringEvent?: Event } };
}

interface ResponseEvent extends CustomEvent {
  detail: { xhr: XMLHttpRequest };
}

document.addEventListener('htmx:responseError', (event) => {
  const { xhr } = (event as ResponseEvent).detail;
  // The lock screen covers the page; what was asked can be asked again after it.
  if (xhr.status === 423 && xhr.getResponseHeader('X-PACSWeb-Locked')) return;
  // A refusal that brings its own sentence is shown by the `toast` event instead.
  if (xhr.getResponseHeader('HX-Trigger')?.includes('"toast"')) return;
  const sentence =
    xhr.status === 403
      ? text('forbidden', 'Your role does not allow this.')
      : xhr.status === 404
        ? text('notFound', 'This no longer exists, or it is not shared with you.')
        : xhr.status === 409
          ? text('conflict', 'Somebody changed this in the meantime. Reload the page and try again.')
          : text('serverError', 'The server could not carry this out. Nothing was changed.');
  showToast({ message: sentence, tone: 'fail' });
});

const RETRY_MS = 5000;
/** Elements whose request waits for the connection: said once, sent again until it arrives. */
const unsent = new WeakSet<Element>();

document.addEventListener('htmx:sendError', (event) => {
  const { elt, requestConfig } = (event as SendErrorEvent).detail;
  const act = requestConfig.triggeringEvent;
  const isKept = requestConfig.verb !== 'get' && isAct(act);
  if (!unsent.has(elt))
    showToast({
      message: isKept
        ? text('unsent', 'Not sent: no connection. What you typed is kept, and sent as soon as the server answers.')
        : text('offline', 'The server did not answer. Check the connection and try again.'),
      tone: 'fail',
    });
  if (!isKept) return;
  unsent.add(elt);
  const again = (): void => {
    window.clearTimeout(timer);
    window.removeEventListener('online', again);
    repeat(elt, act);
  };
  const timer = window.setTimeout(again, RETRY_MS);
  window.addEventListener('online', again);
});

document.addEventListener('htmx:beforeOnLoad', (event) => unsent.delete((event as SendErrorEvent).detail.elt));

export { htmx };
