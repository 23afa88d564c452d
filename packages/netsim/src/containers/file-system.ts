/** A file, or a directory where `text` is absent. `changed` is in milliseconds since 1970. */
interface Entry {
  text?: string;
  changed: number;
}

/** Files and directories by their path below the root of the tree, `''` being the root itself. */
export type FileTree = Map<string, Entry>;

export interface Mount {
  /** Absolute, without a slash at its end. */
  readonly at: string;
  readonly tree: FileTree;
  /** Path in the tree that stands at the mount point. */
  readonly root: string;
  readonly readOnly: boolean;
}

export type FileError = 'ENOENT' | 'EISDIR' | 'ENOTDIR' | 'EEXIST' | 'EROFS' | 'ENOTEMPTY' | 'ENOSPC';

export interface FileInfo {
  readonly kind: 'file' | 'directory';
  /** In bytes. */
  readonly size: number;
  readonly changed: number;
}

/** Entries that one container may have: what is written is small and few. */
const LIMIT = 100_000;
const encoder = new TextEncoder();

export function emptyTree(changed: number): FileTree {
  return new Map([['', { changed }]]);
}

/** Puts a file into a tree, with the directories above it. */
export function addFile(tree: FileTree, path: string, text: string, changed: number): void {
  const parts = path.split('/').filter((part) => part !== '');
  for (let i = 1; i < parts.length; i++) {
    const above = parts.slice(0, i).join('/');
    if (!tree.has(above)) tree.set(above, { changed });
  }
  tree.set(parts.join('/'), { text, changed });
}

/** What a container sees of files: the tree of its own and what is mounted into it. No links, owners or modes. */
export class FileSystem {
  readonly #mounts: readonly Mount[];
  readonly #now: () => number;

  /** `root`: the container's own files; of several mounts the deepest counts. */
  constructor(root: FileTree, mounts: readonly Mount[], now: () => number) {
    this.#now = now;
    const own: Mount = { at: '', tree: root, root: '', readOnly: false };
    this.#mounts = [own, ...mounts].sort((a, b) => b.at.length - a.at.length);
  }

  stat(path: string): FileInfo | FileError {
    const astray = this.#astray(path);
    if (astray !== undefined) return astray;
    const place = this.#place(path);
    const entry = place.tree.get(place.inside);
    if (entry !== undefined) {
      const { text, changed } = entry;
      return { kind: text === undefined ? 'directory' : 'file', size: sizeOf(text), changed };
    }
    const clean = normalise(path);
    // Directories above a mount point are there, whatever the image has.
    const above = this.#mounts.some(({ at }) => at.startsWith(`${clean}/`));
    if (above) return { kind: 'directory', size: sizeOf(undefined), changed: this.#now() };
    return this.#missing(clean);
  }

  read(path: string): string | { readonly error: FileError } {
    const { tree, inside } = this.#place(path);
    const entry = this.#astray(path) === undefined ? tree.get(inside) : undefined;
    if (entry?.text !== undefined) return path.endsWith('/') ? { error: 'ENOTDIR' } : entry.text;
    const info = this.stat(path);
    return { error: typeof info === 'string' ? info : 'EISDIR' };
  }

  /** Names in a directory, sorted. */
  list(path: string): readonly string[] | { readonly error: FileError } {
    const info = this.stat(path);
    if (typeof info === 'string') return { error: info };
    if (info.kind === 'file') return { error: 'ENOTDIR' };
    const { tree, inside } = this.#place(path);
    const names = new Set<string>();
    const prefix = inside === '' ? '' : `${inside}/`;
    for (const each of tree.keys()) {
      if (each !== '' && each.startsWith(prefix) && each !== inside)
        names.add(each.slice(prefix.length).split('/')[0]!);
    }
    const clean = normalise(path);
    for (const { at } of this.#mounts) {
      if (at !== '' && at.startsWith(`${clean}/`)) names.add(at.slice(clean.length + 1).split('/')[0]!);
    }
    return [...names].sort();
  }

  /** Makes an empty file, or moves the time of one that is there. */
  touch(path: string): FileError | undefined {
    const { tree, inside, readOnly } = this.#place(path);
    const entry = this.#astray(path) === undefined ? tree.get(inside) : undefined;
    if (readOnly) return 'EROFS';
    if (entry !== undefined) {
      entry.changed = this.#now();
      return undefined;
    }
    return this.#create(path, { text: '', changed: this.#now() });
  }

  write(path: string, text: string): FileError | undefined {
    const { tree, inside, readOnly } = this.#place(path);
    const entry = tree.get(inside);
    if (entry !== undefined && entry.text === undefined) return 'EISDIR';
    if (readOnly) return 'EROFS';
    if (entry === undefined) return this.#create(path, { text, changed: this.#now() });
    entry.text = text;
    entry.changed = this.#now();
    return undefined;
  }

  makeDirectory(path: string): FileError | undefined {
    const info = this.stat(path);
    if (typeof info !== 'string') return 'EEXIST';
    return this.#create(path, { changed: this.#now() });
  }

  remove(path: string, { directory = false }: { readonly directory?: boolean } = {}): FileError | undefined {
    const info = this.stat(path);
    if (typeof info === 'string') return info;
    const { tree, inside, readOnly } = this.#place(path);
    if (readOnly) return 'EROFS';
    if (info.kind === 'directory') {
      if (!directory) return 'EISDIR';
      for (const each of [...tree.keys()]) if (each.startsWith(`${inside}/`)) tree.delete(each);
    }
    tree.delete(inside);
    return undefined;
  }

  #create(path: string, entry: Entry): FileError | undefined {
    const { tree, inside, readOnly } = this.#place(path);
    const parent = this.stat(path.replace(/\/*[^/]*\/*$/, ''));
    if (typeof parent === 'string') return parent;
    if (parent.kind === 'file') return 'ENOTDIR';
    if (readOnly) return 'EROFS';
    if (tree.size >= LIMIT) return 'ENOSPC';
    tree.set(inside, entry);
    return undefined;
  }

  /** What is wrong with a path that goes back up out of what is no directory. */
  #astray(path: string): FileError | undefined {
    const parts = path.split('/');
    for (const [i, part] of parts.entries()) {
      if (part !== '..') continue;
      const info = this.stat(parts.slice(0, i).join('/'));
      if (typeof info === 'string') return info;
      if (info.kind === 'file') return 'ENOTDIR';
    }
    return undefined;
  }

  #missing(path: string): FileError {
    for (let above = path.replace(/\/[^/]*$/, ''); above !== ''; above = above.replace(/\/[^/]*$/, '')) {
      const { tree, inside } = this.#place(above);
      if (tree.get(inside)?.text !== undefined) return 'ENOTDIR';
    }
    return 'ENOENT';
  }

  #place(path: string): { tree: FileTree; inside: string; readOnly: boolean } {
    const clean = normalise(path);
    const mount = this.#mounts.find(({ at }) => clean === at || clean.startsWith(`${at}/`))!;
    const below = clean.slice(mount.at.length + 1);
    const inside = mount.root === '' || below === '' ? mount.root + below : `${mount.root}/${below}`;
    return { tree: mount.tree, inside, readOnly: mount.readOnly };
  }
}

/** Directories count a block, as most file systems say. */
function sizeOf(text: string | undefined): number {
  return text === undefined ? 4096 : encoder.encode(text).length;
}

/** Absolute from the root directory, without `.`, `..` and double slashes; the root is the empty text. */
function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.map((part) => `/${part}`).join('');
}
