/** Passkeys: the browser's ceremony between the server's question and the form that carries the answer back. */
import { on } from './dom';
import { text } from './text';

type Json = Record<string, unknown>;

function toBytes(value: unknown): ArrayBuffer {
  const plain = String(value).replaceAll('-', '+').replaceAll('_', '/');
  const binary = atob(plain.padEnd(Math.ceil(plain.length / 4) * 4, '='));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0)).buffer;
}

function toText(bytes: ArrayBuffer | null): string | undefined {
  if (!bytes) return undefined;
  const binary = String.fromCharCode(...new Uint8Array(bytes));
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

function withIds(list: unknown): PublicKeyCredentialDescriptor[] | undefined {
  if (!Array.isArray(list)) return undefined;
  return list.map((one: Json) => ({ ...one, type: 'public-key', id: toBytes(one['id']) }));
}

export function canUsePasskeys(): boolean {
  return typeof window.PublicKeyCredential === 'function' && window.isSecureContext;
}

/** Let the authenticator sign the server's question; JSON as the server reads it. */
export async function signQuestion(question: Json): Promise<string> {
  const options = (question['publicKey'] ?? question) as Json;
  const allowed = withIds(options['allowCredentials']);
  const found = (await navigator.credentials.get({
    publicKey: {
      ...(options as object),
      challenge: toBytes(options['challenge']),
      ...(allowed ? { allowCredentials: allowed } : {}),
    },
  })) as PublicKeyCredential;
  const answer = found.response as AuthenticatorAssertionResponse;
  return JSON.stringify({
    id: found.id,
    rawId: toText(found.rawId),
    type: found.type,
    authenticatorAttachment: found.authenticatorAttachment,
    clientExtensionResults: found.getClientExtensionResults(),
    response: {
      clientDataJSON: toText(answer.clientDataJSON),
      authenticatorData: toText(answer.authenticatorData),
      signature: toText(answer.signature),
      userHandle: toText(answer.userHandle),
    },
  });
}

/** Let the authenticator make a passkey; JSON as the server reads it. */
export async function makePasskey(question: Json): Promise<string> {
  const options = (question['publicKey'] ?? question) as Json;
  const user = options['user'] as Json;
  const made = (await navigator.credentials.create({
    publicKey: {
      ...(options as object),
      challenge: toBytes(options['challenge']),
      user: { ...(user as object), id: toBytes(user['id']) },
      excludeCredentials: withIds(options['excludeCredentials']) ?? [],
    } as unknown as PublicKeyCredentialCreationOptions,
  })) as PublicKeyCredential;
  const answer = made.response as AuthenticatorAttestationResponse;
  return JSON.stringify({
    id: made.id,
    rawId: toText(made.rawId),
    type: made.type,
    authenticatorAttachment: made.authenticatorAttachment,
    clientExtensionResults: made.getClientExtensionResults(),
    response: {
      clientDataJSON: toText(answer.clientDataJSON),
      attestationObject: toText(answer.attestationObject),
      transports: answer.getTransports?.() ?? [],
    },
  });
}

/** What to tell somebody whose ceremony did not end well. */
export function reasonOf(error: unknown): string {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'InvalidStateError') return text('passkeyKnown', 'This device holds a passkey of yours already.');
  if (name === 'SecurityError') return text('passkeyAddress', 'Passkeys do not work at this address.');
  return text('passkeyCancelled', 'No passkey was used. Try again, or choose another way.');
}

function questionOf(button: HTMLElement): Json | null {
  const source = document.getElementById(button.dataset['passkeyQuestion'] ?? '')?.textContent;
  return source ? (JSON.parse(source) as Json) : null;
}

function say(form: HTMLFormElement, sentence: string): void {
  const place = form.querySelector<HTMLElement>('[data-passkey-problem]');
  if (!place) return;
  place.textContent = sentence;
  place.hidden = !sentence;
}

/** [data-passkey="sign"|"make"]: answer the question of the page and send the form with it. */
async function answerForm(button: HTMLElement, form: HTMLFormElement): Promise<void> {
  const question = questionOf(button);
  const field = form.querySelector<HTMLInputElement>(`[name="${CSS.escape(button.dataset['passkeyField'] ?? '')}"]`);
  if (!question || !field) return;
  say(form, '');
  try {
    field.value = button.dataset['passkey'] === 'make' ? await makePasskey(question) : await signQuestion(question);
  } catch (error) {
    say(form, reasonOf(error));
    return;
  }
  form.noValidate = true;
  form.requestSubmit();
}

/** [data-passkey="enter"]: sign in with nothing but a passkey. */
async function enter(button: HTMLElement, form: HTMLFormElement): Promise<void> {
  say(form, '');
  const url = form.action;
  try {
    const asked = await fetch(url, { headers: { Accept: 'application/json' } });
    const body = new FormData(form);
    body.set('passkey', await signQuestion((await asked.json()) as Json));
    const answered = await fetch(url, { method: 'POST', body, headers: { Accept: 'application/json' } });
    const answer = (await answered.json()) as { go?: string; detail?: string };
    if (answered.ok && answer.go) window.location.assign(answer.go);
    else say(form, answer.detail ?? reasonOf(null));
  } catch (error) {
    say(form, reasonOf(error));
  }
  button.removeAttribute('aria-busy');
}

export function startPasskeys(): void {
  for (const part of document.querySelectorAll<HTMLElement>('[data-needs-passkeys]')) part.hidden = !canUsePasskeys();
  for (const part of document.querySelectorAll<HTMLElement>('[data-without-passkeys]')) part.hidden = canUsePasskeys();
  on('click', '[data-passkey]', (button) => {
    const form = button.closest('form');
    if (!form) return;
    if (button.dataset['passkey'] === 'enter') void enter(button, form);
    else void answerForm(button, form);
  });
  on('click', '[data-print]', () => window.print());
  on('click', '[data-download]', (button) => {
    const words = document.getElementById(button.dataset['download'] ?? '')?.innerText ?? '';
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([`${words}\n`], { type: 'text/plain' }));
    link.download = button.dataset['downloadName'] ?? 'codes.txt';
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
