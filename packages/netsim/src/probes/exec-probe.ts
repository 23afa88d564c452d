import type { Container } from '@netsim/manifest';
import type { FileSystem } from '../containers/file-system.ts';
import type { Userland } from '../containers/userland.ts';
import { bracket, cat, type FileTool, ls, mkdir, rm, test, touch } from '../exec/files.ts';

/** Commands that a probe may run: those that look at files, and take no time. */
const commands: Readonly<Record<string, FileTool>> = {
  '[': bracket,
  cat,
  echo: () => ({ stdout: '', stderr: '', code: 0 }),
  false: () => ({ stdout: '', stderr: '', code: 1 }),
  ls,
  mkdir,
  rm,
  test,
  touch,
  true: () => ({ stdout: '', stderr: '', code: 0 }),
};

function toolOf(command: readonly string[]): FileTool | undefined {
  const name = command[0]?.slice(command[0].lastIndexOf('/') + 1) ?? '';
  return Object.hasOwn(commands, name) ? commands[name] : undefined;
}

/**
 * Why nobody can say how the command of a probe ends: it is none of those that are emulated, or it looks at files that the container's
 * own program makes. Undefined where it can be run.
 */
export function undecided(command: readonly string[], container: Container): string | undefined {
  if (toolOf(command) === undefined) return `the command ${JSON.stringify(command[0] ?? '')} is not emulated`;
  const program = [...(container.command ?? []), ...(container.args ?? [])].join(' ');
  const paths = command.slice(1).filter((word) => word.startsWith('/'));
  const made = paths.find((path) => program.includes(path));
  return made === undefined ? undefined : `the container's own command makes or removes ${made}`;
}

/** Runs the command of a probe; the message of a failure, or undefined. */
export function runCommand(command: readonly string[], files: FileSystem, userland: Userland): string | undefined {
  const tool = toolOf(command);
  if (tool === undefined) return undefined;
  const { code, stderr } = tool(command.slice(1), { files, userland });
  return code === 0 ? undefined : stderr.trim() || `exit status ${code}`;
}
