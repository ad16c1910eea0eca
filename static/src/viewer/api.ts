/** Requests to the own server: CSRF, JSON, and one place that notices that the session has ended. */

export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly body: unknown = null,
  ) {
    super(message);
  }
}

/** The person is signed out; what was asked can be repeated after signing in. */
export class SignedOut extends Error {}

let onSignedOut: () => void = () => {};
let csrf = '';

export function configureApi(options: { csrf: string; signedOut: () => void }): void {
  csrf = options.csrf;
  onSignedOut = options.signedOut;
}

/** Tell that some request (also one made by the image loader) was answered with "sign in first". */
export function signedOut(): void {
  onSignedOut();
}

export function renewToken(token: string): void {
  csrf = token;
}

async function request(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, { credentials: 'same-origin', ...init });
  // Pages answer with a redirect to the sign-in form, machine doors with 401.
  const wentToSignIn = response.redirected && !response.headers.get('Content-Type')?.includes('json');
  if (response.status === 401 || wentToSignIn) {
    onSignedOut();
    throw new SignedOut();
  }
  return response;
}

async function body(response: Response): Promise<unknown> {
  const text = await response.text();
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export async function getJson<T>(url: string, accept = 'application/json'): Promise<T> {
  const response = await request(url, { headers: { Accept: accept } });
  const answer = await body(response);
  if (!response.ok) throw new HttpError(response.status, response.statusText, answer);
  if (answer === null && response.status !== 204) throw new HttpError(response.status, 'Not JSON');
  return (answer ?? []) as T;
}

export async function sendJson<T>(
  method: 'PUT' | 'POST',
  url: string,
  data: unknown,
  options: { keepalive?: boolean } = {},
): Promise<T> {
  const response = await request(url, {
    method,
    body: JSON.stringify(data),
    headers: { 'Content-Type': 'application/json', Accept: 'application/json', 'X-CSRFToken': csrf },
    keepalive: options.keepalive ?? false,
  });
  const answer = await body(response);
  if (!response.ok) throw new HttpError(response.status, response.statusText, answer);
  return answer as T;
}

/** One part of bytes from DICOMweb, taken out of its multipart answer (PS3.18 8.6.1). */
export async function getBytes(
  url: string,
  accept = 'multipart/related; type="application/octet-stream"',
): Promise<Uint8Array> {
  const response = await request(url, { headers: { Accept: accept } });
  if (!response.ok) throw new HttpError(response.status, response.statusText, await body(response));
  const bytes = new Uint8Array(await response.arrayBuffer());
  const type = response.headers.get('Content-Type') ?? '';
  const boundary = /boundary="?([^";]+)"?/i.exec(type)?.[1];
  if (!type.startsWith('multipart/') || !boundary) return bytes;
  // One byte is one character in Latin-1, so that places in the text are places in the bytes.
  const text = new TextDecoder('latin1').decode(bytes);
  const start = text.indexOf('\r\n\r\n') + 4;
  const end = text.indexOf(`\r\n--${boundary}`, start);
  return bytes.subarray(start, end < 0 ? bytes.length : end);
}
