/** Files from a drop or a picker, with their paths inside the folder. */

export interface Found {
  readonly path: string;
  readonly file: File;
}

/** Files of an `<input type="file">`; a folder's files carry their path. */
export function* fromInput(files: FileList): Generator<Found> {
  for (const file of files) yield { path: file.webkitRelativePath || file.name, file };
}

/**
 * Everything in what was dropped, folders walked to the bottom. The entries must be taken from the event before
 * anything is awaited: the browser empties the list when the handler returns.
 */
export function entriesOf(transfer: DataTransfer): { entries: FileSystemEntry[]; loose: File[] } {
  const entries: FileSystemEntry[] = [];
  const loose: File[] = [];
  for (const item of transfer.items) {
    if (item.kind !== 'file') continue;
    const entry = item.webkitGetAsEntry?.();
    if (entry) entries.push(entry);
    else {
      const file = item.getAsFile();
      if (file) loose.push(file);
    }
  }
  return { entries, loose };
}

export async function* walk(entries: FileSystemEntry[], unreadable: (path: string) => void): AsyncGenerator<Found> {
  // A list instead of recursion: deep folders cost no stack, and one folder's names are all that is held.
  const waiting = [...entries].reverse();
  while (waiting.length > 0) {
    const entry = waiting.pop() as FileSystemEntry;
    const path = entry.fullPath.replace(/^\//, '');
    try {
      if (isFile(entry)) yield { path, file: await fileOf(entry) };
      else if (isFolder(entry)) waiting.push(...(await childrenOf(entry)).reverse());
    } catch {
      unreadable(path);
    }
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** A reader hands out a hundred names at a time and says with an empty answer that it is done. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const found: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    found.push(...some);
  }
}
