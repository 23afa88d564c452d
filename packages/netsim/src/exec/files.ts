import type { FileError, FileInfo } from '../containers/file-system.ts';
import type { Userland } from '../containers/userland.ts';
import { parseArgs } from './args.ts';
import { type ExecContext, fail, ok, type ToolResult } from './tool.ts';

const texts: Readonly<Record<FileError, string>> = {
  ENOENT: 'No such file or directory',
  EISDIR: 'Is a directory',
  ENOTDIR: 'Not a directory',
  EEXIST: 'File exists',
  EROFS: 'Read-only file system',
  ENOTEMPTY: 'Directory not empty',
  ENOSPC: 'No space left on device',
};

/** What strerror says of an error with a file. */
export function fileErrorText(error: FileError): string {
  return texts[error];
}

/** A tool that needs files only, and takes no time. */
export type FileTool = (args: readonly string[], context: Pick<ExecContext, 'files' | 'userland'>) => ToolResult;

/** Reads a tool's options, or says what is wrong with them, in the words of its userland. */
function readOptions(
  tool: string,
  args: readonly string[],
  { userland }: Pick<ExecContext, 'userland'>,
  spec: { short: string; long?: Readonly<Record<string, string>>; operands?: string; status?: number },
): { flags: ReadonlySet<string>; operands: readonly string[] } | ToolResult {
  const { flags, operands, problem } = parseArgs(args, spec);
  const gnu = userland === 'gnu';
  const help = gnu ? `\nTry '${tool} --help' for more information.` : '';
  const status = gnu ? (spec.status ?? 1) : 1;
  if (problem !== undefined) {
    const { option } = problem;
    if (option.startsWith('--')) return fail(status, `${tool}: unrecognized option '${option}'${help}`);
    return fail(status, `${tool}: invalid option -- '${option}'${help}`);
  }
  if (spec.operands !== undefined && operands.length === 0) {
    return fail(status, gnu ? `${tool}: missing ${spec.operands}${help}` : `${tool}: too few arguments`);
  }
  return { flags, operands };
}

/** Does something with each operand, and tells all that went wrong. */
function each(operands: readonly string[], act: (path: string) => string | undefined): ToolResult {
  const messages = operands.flatMap((path) => act(path) ?? []);
  return { stdout: '', stderr: messages.map((message) => `${message}\n`).join(''), code: messages.length > 0 ? 1 : 0 };
}

export const cat: FileTool = (args, context) => {
  const options = readOptions('cat', args, context, { short: 'nbvteAu' });
  if ('code' in options) return options;
  const { files, userland } = context;
  const { flags, operands } = options;
  let stdout = '';
  let stderr = '';
  for (const path of operands.filter((operand) => operand !== '-')) {
    const text = files.read(path);
    if (typeof text === 'string') stdout += text;
    else if (userland === 'gnu') stderr += `cat: ${path}: ${texts[text.error]}\n`;
    else if (text.error === 'EISDIR') stderr += 'cat: read error: Is a directory\n';
    else stderr += `cat: can't open '${path}': ${texts[text.error]}\n`;
  }
  if (flags.has('n')) {
    const lines = stdout.split('\n');
    const last = lines.pop()!;
    stdout = lines.map((line, i) => `${String(i + 1).padStart(6)}\t${line}\n`).join('');
    if (last !== '') stdout += `${String(lines.length + 1).padStart(6)}\t${last}`;
  }
  return { stdout, stderr, code: stderr === '' ? 0 : 1 };
};

export const touch: FileTool = (args, context) => {
  const options = readOptions('touch', args, context, { short: 'cam', operands: 'file operand' });
  if ('code' in options) return options;
  const { files, userland } = context;
  return each(options.operands, (path) => {
    if (options.flags.has('c') && typeof files.stat(path) === 'string') return undefined;
    const error = files.touch(path);
    if (error === undefined) return undefined;
    return userland === 'gnu' ? `touch: cannot touch '${path}': ${texts[error]}` : `touch: ${path}: ${texts[error]}`;
  });
};

export const mkdir: FileTool = (args, context) => {
  const options = readOptions('mkdir', args, context, {
    short: 'pv',
    long: { parents: 'p', verbose: 'v' },
    operands: 'operand',
  });
  if ('code' in options) return options;
  const { files, userland } = context;
  return each(options.operands, (path) => {
    const parts = path.split('/');
    const wanted = options.flags.has('p') ? parts.map((_, i) => parts.slice(0, i + 1).join('/')) : [path];
    for (const one of wanted.filter((part) => part !== '')) {
      const error = files.makeDirectory(one);
      if (error === undefined) continue;
      const there = files.stat(one);
      if (options.flags.has('p') && typeof there !== 'string' && there.kind === 'directory') continue;
      return userland === 'gnu'
        ? `mkdir: cannot create directory ‘${path}’: ${texts[error]}`
        : `mkdir: can't create directory '${path}': ${texts[error]}`;
    }
    return undefined;
  });
};

export const rm: FileTool = (args, context) => {
  const options = readOptions('rm', args, context, {
    short: 'rRfivd',
    long: { recursive: 'r', force: 'f', verbose: 'v' },
  });
  if ('code' in options) return options;
  const { flags, operands } = options;
  if (operands.length === 0 && !flags.has('f'))
    return readOptions('rm', [], context, { short: '', operands: 'operand' }) as ToolResult;
  const { files, userland } = context;
  return each(operands, (path) => {
    const error = files.remove(path, { directory: flags.has('r') || flags.has('R') });
    if (error === undefined) return undefined;
    if (flags.has('f') && (error === 'ENOENT' || (error === 'ENOTDIR' && userland === 'gnu'))) return undefined;
    if (userland === 'gnu') return `rm: cannot remove '${path}': ${texts[error]}`;
    return error === 'EISDIR' ? `rm: '${path}' is a directory` : `rm: can't remove '${path}': ${texts[error]}`;
  });
};

export const ls: FileTool = (args, context) => {
  const options = readOptions('ls', args, context, { short: '1aAldhtrRFinpsC', long: { all: 'a' }, status: 2 });
  if ('code' in options) return options;
  const { files, userland } = context;
  const { flags } = options;
  const operands = options.operands.length === 0 ? ['/'] : options.operands;
  let stderr = '';
  const plain: [string, FileInfo][] = [];
  const directories: string[] = [];
  for (const path of [...operands].sort()) {
    const info = files.stat(path);
    if (typeof info === 'string') {
      stderr += userland === 'gnu' ? `ls: cannot access '${path}': ${texts[info]}\n` : `ls: ${path}: ${texts[info]}\n`;
    } else if (info.kind === 'file' || flags.has('d')) plain.push([path, info]);
    else directories.push(path);
  }
  const parts: string[] = [];
  if (plain.length > 0) parts.push(listing(plain, flags, userland));
  for (const path of directories) {
    const names = files.list(path);
    if (!Array.isArray(names)) continue;
    const hidden = flags.has('a') ? ['.', '..'] : [];
    const shown = [...hidden, ...names.filter((name) => flags.has('a') || flags.has('A') || !name.startsWith('.'))];
    const entries = shown.map((name): [string, FileInfo] => [name, files.stat(`${path}/${name}`) as FileInfo]);
    const title = operands.length > 1 ? `${path}:\n` : '';
    const blocks = entries.reduce((sum, [, info]) => sum + 4 * Math.ceil(info.size / 4096), 0);
    parts.push(`${title}${flags.has('l') ? `total ${blocks}\n` : ''}${listing(entries, flags, userland)}`);
  }
  return { stdout: parts.join('\n'), stderr, code: stderr === '' ? 0 : userland === 'gnu' ? 2 : 1 };
};

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

function listing(
  entries: readonly (readonly [string, FileInfo])[],
  flags: ReadonlySet<string>,
  userland: Userland,
): string {
  if (!flags.has('l')) return entries.map(([name]) => `${name}\n`).join('');
  const width = userland === 'busybox' ? 9 : Math.max(0, ...entries.map(([, info]) => String(info.size).length));
  return entries
    .map(([name, { kind, size, changed }]) => {
      const time = new Date(changed);
      const clock = time.toISOString().slice(11, 16);
      const date = `${months[time.getUTCMonth()]} ${String(time.getUTCDate()).padStart(2)} ${clock}`;
      const mode = kind === 'directory' ? 'drwxr-xr-x' : '-rw-r--r--';
      const links = kind === 'directory' ? 2 : 1;
      return userland === 'busybox'
        ? `${mode} ${String(links).padStart(4)} root     root     ${String(size).padStart(width)} ${date} ${name}\n`
        : `${mode} ${links} root root ${String(size).padStart(width)} ${date} ${name}\n`;
    })
    .join('');
}

/** `test` and `[`: files and texts, one expression, `!` before it. */
export const test: FileTool = (args, { files }) => {
  const [first] = args;
  if (first === '!') {
    const inner = evaluate(args.slice(1), files);
    return typeof inner === 'string' ? fail(2, inner) : fail(inner ? 1 : 0, '');
  }
  const result = evaluate(args, files);
  return typeof result === 'string' ? fail(2, result) : result ? ok('') : fail(1, '');
};

export const bracket: FileTool = (args, context) =>
  args.at(-1) === ']' ? test(args.slice(0, -1), context) : fail(2, '[: missing ]');

/** The truth of an expression, or what is wrong with it. */
function evaluate(words: readonly string[], files: ExecContext['files']): boolean | string {
  const [a = '', b = '', c = ''] = words;
  switch (words.length) {
    case 0:
      return false;
    case 1:
      return a !== '';
    case 2: {
      if (a === '-n') return b !== '';
      if (a === '-z') return b === '';
      if (!/^-[efdsrwx]$/.test(a)) return `test: ${b}: unknown operand`;
      const info = files.stat(b);
      if (typeof info === 'string') return false;
      if (a === '-f') return info.kind === 'file';
      if (a === '-d') return info.kind === 'directory';
      if (a === '-x') return info.kind === 'directory';
      return a === '-s' ? info.size > 0 : true;
    }
    case 3:
      switch (b) {
        case '=':
        case '==':
          return a === c;
        case '!=':
          return a !== c;
        case '-eq':
          return Number(a) === Number(c);
        case '-ne':
          return Number(a) !== Number(c);
        case '-gt':
          return Number(a) > Number(c);
        case '-lt':
          return Number(a) < Number(c);
        default:
          return `test: ${b}: unknown operand`;
      }
    default:
      return 'test: too many arguments';
  }
}
