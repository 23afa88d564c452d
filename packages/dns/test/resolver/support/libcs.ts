import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Libc } from '../../../src/resolver/index.ts';

/** Why the C library of this machine cannot stand for glibc, or undefined where it can. */
export function whyNoGlibc(): string | undefined {
  const { status, stdout } = spawnSync('getconf', ['GNU_LIBC_VERSION'], { encoding: 'utf8' });
  return status === 0 && stdout.startsWith('glibc') ? undefined : 'the C library of this machine is not glibc';
}

let compiled: { readonly program: string | undefined } | undefined;

/** A program that prints what the getaddrinfo of musl gives, compiled here; undefined where musl-gcc is missing. */
export function muslProgram(): string | undefined {
  if (compiled === undefined) {
    const program = join(mkdtempSync(join(tmpdir(), 'netsim-musl-')), 'getaddrinfo');
    const source = join(import.meta.dirname, '../native/getaddrinfo.c');
    const made = spawnSync('musl-gcc', ['-static', '-o', program, source]).status === 0;
    compiled = { program: made ? program : undefined };
  }
  return compiled.program;
}

/** The program that asks the getaddrinfo of a C library for a name. */
export function lookupCommand(libc: Libc, name: string): string[] {
  return libc === 'glibc' ? ['getent', 'ahosts', name] : [muslProgram()!, name];
}

/** The addresses that such a program printed, each once. */
export function printedAddresses(stdout: string): string[] {
  return [
    ...new Set(
      [...stdout.matchAll(/^(?:addr )?([0-9a-f.:]*[0-9a-f][0-9a-f.:]*[.:][0-9a-f.:]*)/gm)].map((match) => match[1]!),
    ),
  ];
}
