import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
