/** Forms: focus the summary of errors, send once, warn before unsaved words are lost. */
import { on } from './dom';
import { mayLeave } from './sending';

export function startForms(): void {
  document.querySelector<HTMLElement>('[data-error-summary]')?.focus();

  document.addEventListener('htmx:afterSettle', (event) => {
    const target = event.target;
    if (target instanceof Element) target.querySelector<HTMLElement>('[data-error-summary]')?.focus();
  });

  on('submit', 'form', (form, event) => {
    const submitter = (event as SubmitEvent).submitter;
    if (form.getAttribute('method')?.toLowerCase() !== 'post' || form.dataset['many'] !== undefined) return;
    if (form.getAttribute('aria-busy') === 'true') {
      event.preventDefault();
      return;
    }
    if ([...form.attributes].some((attribute) => attribute.name.startsWith('hx-'))) return;
    if (event.defaultPrevented || !mayLeave(form as HTMLFormElement, event as SubmitEvent)) return;
    form.setAttribute('aria-busy', 'true');
    submitter?.setAttribute('aria-busy', 'true');
    delete form.dataset['dirty'];
  });
  // A page that comes back from the browser's cache can be sent again.
  window.addEventListener('pageshow', () => {
    for (const busy of document.querySelectorAll('form[aria-busy], button[aria-busy]'))
      busy.removeAttribute('aria-busy');
  });

  on('input', 'form[data-guard]', (form) => {
    form.dataset['dirty'] = '';
  });
  document.addEventListener('htmx:afterRequest', (event) => {
    const form = event.target;
    const { successful } = (event as CustomEvent<{ successful: boolean }>).detail;
    if (form instanceof HTMLFormElement && successful) delete form.dataset['dirty'];
  });
  window.addEventListener('beforeunload', (event) => {
    if (document.querySelector('form[data-dirty]')) event.preventDefault();
  });

  on('change', '[data-submit-on-change]', (control) => control.closest('form')?.requestSubmit());
}
