/**
 * The page that every share link leads to. The code stands after the # sign, where no server and no Referer sees it; it is
 * taken out of the address at once and posted. `fetch` is used because a page without Referer submits forms without Origin.
 */
export function startShareEntry(): void {
  const place = document.querySelector<HTMLElement>('[data-share-entry]');
  if (!place) return;
  const code = decodeURIComponent(location.hash.slice(1));
  if (code) {
    history.replaceState(null, '', location.pathname);
    const input = place.querySelector<HTMLInputElement>('input[name="code"]');
    const form = place.querySelector('form');
    if (input && form) {
      input.value = code;
      void send(place, form);
    }
  }
  place.addEventListener('submit', (event) => {
    event.preventDefault();
    void send(place, event.target as HTMLFormElement);
  });
  // A second link pasted into the same tab changes nothing but the part after the sign.
  window.addEventListener('hashchange', () => location.reload());
}

async function send(place: HTMLElement, form: HTMLFormElement): Promise<void> {
  place.setAttribute('aria-busy', 'true');
  try {
    const response = await fetch(form.getAttribute('action') || location.pathname, {
      method: 'POST',
      body: new FormData(form),
      headers: { 'X-Requested-With': 'fetch' },
      credentials: 'same-origin',
    });
    if (response.headers.get('Content-Type')?.startsWith('application/json')) {
      const answer = (await response.json()) as { location: string };
      location.replace(answer.location);
      return;
    }
    const shown = new DOMParser().parseFromString(await response.text(), 'text/html');
    place.replaceChildren(...shown.body.children);
    place.querySelector<HTMLElement>('[autofocus], [role="alert"], input:not([type="hidden"])')?.focus();
  } catch {
    const notice = place.querySelector<HTMLElement>('[data-share-unreachable]');
    if (notice) notice.hidden = false;
  } finally {
    place.removeAttribute('aria-busy');
  }
}
