/** The upload's requests: begin, send a pack, send a piece, ask, close. */

export interface Outcome {
  id: string;
  name: string;
  status: 'stored' | 'duplicate' | 'replaced' | 'refused' | 'skipped' | 'unpacking';
  code: string;
  reason: string;
  study_instance_uid: string;
  job: string | null;
}

export interface Problem {
  name: string;
  status: string;
  code: string;
  reason: string;
}

export interface Unpacking {
  job: string;
  state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  done: number;
  total: number;
  message: string;
  problems: Problem[];
}

export interface UploadState {
  id: string;
  state: string;
  received: number;
  stored: number;
  replaced: number;
  duplicate: number;
  refused: number;
  skipped: number;
  unpacking: Unpacking[];
  studies: UploadedStudy[];
}

export interface UploadedStudy {
  id: string;
  study_instance_uid: string;
  description: string;
  patient_name: string;
  study_date: string;
  modalities: string[];
  instance_count: number;
  url: string;
}

export interface Piece {
  size: number;
  outcome: Outcome | null;
}

/** The server answered and said no: trying the same again is of no use. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Nothing came back, or the server was busy: worth another try. */
export class Interruption extends Error {}

function token(): string {
  const headers = document.body.getAttribute('hx-headers') ?? '{}';
  return (JSON.parse(headers) as Record<string, string>)['X-CSRFToken'] ?? '';
}

const AGAIN = new Set([408, 425, 429, 500, 502, 503, 504, 507]);

async function ask<T>(
  url: string,
  options: { method: string; body?: Blob; signal?: AbortSignal; accept?: number[] },
): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json', 'X-CSRFToken': token() };
  if (options.body) headers['Content-Type'] = 'application/octet-stream';
  let answer: Response;
  try {
    answer = await fetch(url, {
      method: options.method,
      headers,
      credentials: 'same-origin',
      redirect: 'error',
      ...(options.body ? { body: options.body } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Interruption(String(error));
  }
  if (answer.ok || options.accept?.includes(answer.status)) return (await answer.json()) as T;
  const detail = await answer
    .json()
    .then((document: { detail?: string }) => document.detail ?? '')
    .catch(() => '');
  if (AGAIN.has(answer.status)) throw new Interruption(detail || `HTTP ${answer.status}`);
  throw new Refusal(answer.status, detail || `HTTP ${answer.status}`);
}

export class UploadApi {
  readonly #root: string;
  #id = '';

  constructor(root: string) {
    this.#root = root;
  }

  get id(): string {
    return this.#id;
  }

  async begin(): Promise<UploadState> {
    const state = await ask<UploadState>(this.#root, { method: 'POST' });
    this.#id = state.id;
    return state;
  }

  state(): Promise<UploadState> {
    return ask<UploadState>(`${this.#root}${this.#id}/`, { method: 'GET' });
  }

  close(): Promise<UploadState> {
    return ask<UploadState>(`${this.#root}${this.#id}/close/`, { method: 'POST' });
  }

  /** Studies that were here before and got nothing new: asked for by UID. */
  async known(uids: string[]): Promise<UploadedStudy[]> {
    const query = new URLSearchParams(uids.map((uid) => ['study', uid]));
    return ask<UploadedStudy[]>(`${this.#root}${this.#id}/studies/?${query}`, { method: 'GET' });
  }

  /** Several small files in one body: a line of JSON and the bytes, for each. */
  pack(files: { id: string; name: string; file: File }[], signal: AbortSignal): Promise<Outcome[]> {
    const parts: BlobPart[] = [];
    for (const { id, name, file } of files) {
      parts.push(`${JSON.stringify({ id, name, size: file.size })}\n`, file);
    }
    return ask<Outcome[]>(`${this.#root}${this.#id}/files/`, { method: 'POST', body: new Blob(parts), signal });
  }

  pieceSize(id: string, signal: AbortSignal): Promise<Piece> {
    return ask<Piece>(`${this.#root}${this.#id}/pieces/${id}/`, { method: 'GET', signal });
  }

  piece(
    { id, name, file }: { id: string; name: string; file: File },
    offset: number,
    length: number,
    signal: AbortSignal,
  ): Promise<Piece> {
    const query = new URLSearchParams({ offset: String(offset), total: String(file.size), name });
    return ask<Piece>(`${this.#root}${this.#id}/pieces/${id}/?${query}`, {
      method: 'PUT',
      body: file.slice(offset, offset + length),
      signal,
      accept: [409],
    });
  }
}
