import { constants } from 'node:buffer';
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from './finding.ts';
import type { ManifestSource } from './read/documents.ts';

export interface ReadFilesOptions {
  /** Also the directories in directories. */
  readonly recursive?: boolean;
  /** What was read from stdin, for the path `-`. */
  readonly stdin?: string | Uint8Array;
}

export interface ReadFilesResult {
  readonly sources: ManifestSource[];
  readonly findings: Finding[];
}

const URL_SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;
const EXTENSION = /\.(ya?ml|json)$/i;
/** Devices whose content comes to an end; that of `/dev/zero` does not. */
const ENDING_DEVICE = /^\/dev\/(null|stdin|tty|fd\/\d+|pts\/\d+)$/;

/**
 * Reads files and directories (their `.yaml`, `.yml` and `.json` files, sorted by name). What cannot be read is a finding:
 * missing, empty or binary files, directories without manifests. Within a directory links to files are followed, links to
 * directories are not, as with kubectl: so no link leads round in a circle.
 */
export function readManifestFiles(paths: readonly string[], options: ReadFilesOptions = {}): ReadFilesResult {
  const result: ReadFilesResult = { sources: [], findings: [] };
  for (const path of paths) {
    if (path === '-') readText('-', options.stdin ?? '', result);
    else readPath(path, options, result);
  }
  return result;
}

function readPath(path: string, options: ReadFilesOptions, result: ReadFilesResult): void {
  try {
    const stat = statSync(path);
    if (!stat.isDirectory()) {
      if (stat.isBlockDevice() || (stat.isCharacterDevice() && !ENDING_DEVICE.test(path)))
        throw new Error('a device, not a file');
      if (stat.size > constants.MAX_STRING_LENGTH) throw new Error('too large to be read');
      readText(path, readFileSync(path), result);
      return;
    }
  } catch (error) {
    const reason = URL_SCHEME.test(path)
      ? 'URLs are not read, for netsim opens no connection: fetch it yourself, curl -sL URL | netsim -f - ...'
      : explain(error);
    result.findings.push(problem(path, 'unreadable', reason));
    return;
  }
  const before = result.sources.length + result.findings.length;
  readDirectory(path, options, result);
  if (result.sources.length + result.findings.length === before) {
    const deeper = options.recursive === true ? '' : ' (its subdirectories are read with -R)';
    result.findings.push(problem(path, 'no-manifests', `no .yaml, .yml or .json file in this directory${deeper}`));
  }
}

function readDirectory(directory: string, options: ReadFilesOptions, result: ReadFilesResult): void {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    result.findings.push(problem(directory, 'unreadable', explain(error)));
    return;
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      if (options.recursive === true) readDirectory(path, options, result);
    } else if (EXTENSION.test(entry.name) && !isLinkToDirectory(entry, path)) readPath(path, options, result);
  }
}

function isLinkToDirectory(entry: Dirent, path: string): boolean {
  return entry.isSymbolicLink() && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function readText(file: string, content: string | Uint8Array, result: ReadFilesResult): void {
  const text = typeof content === 'string' ? content : decode(content);
  if (text === undefined)
    result.findings.push(problem(file, 'binary-file', 'not a text in UTF-8: is this a manifest?'));
  else if (text.trim() === '')
    result.findings.push(
      problem(file, 'empty-file', file === '-' ? 'nothing came on standard input' : 'the file is empty'),
    );
  else result.sources.push({ file, text });
}

/** UTF-8, or UTF-16 with a byte order mark as Windows shells write it. Undefined where it is neither. */
function decode(bytes: Uint8Array): string | undefined {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    return text.includes('\u0000') ? undefined : text;
  } catch {
    return undefined;
  }
}

function explain(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'no such file or directory';
  if (code === 'EACCES') return 'permission denied';
  if (code === 'ENOTDIR') return 'no such file or directory';
  if (code === 'ELOOP') return 'too many levels of symbolic links';
  return error instanceof Error ? error.message : String(error);
}

function problem(file: string, code: string, message: string): Finding {
  return { severity: 'error', code, message, file };
}
