import { parseIp } from '../validate/address.ts';
import type { Causes, FieldPath } from '../validate/cause.ts';

/** Checks that a CRD's schema makes, in the words of apiextensions' validation. */

/** False where there is no text. */
export function requireText(causes: Causes, at: FieldPath, text: string | undefined): text is string {
  if (text === undefined) {
    causes.required(at);
    return false;
  }
  if (text !== '') return true;
  causes.invalid(at, text, `${at} in body should be at least 1 chars long`);
  return false;
}

export function inRange(causes: Causes, at: FieldPath, value: number, least: number, most: number): void {
  if (value < least) causes.invalid(at, value, `${at} in body should be greater than or equal to ${least}`);
  if (value > most) causes.invalid(at, value, `${at} in body should be less than or equal to ${most}`);
}

export function matchesPattern(causes: Causes, at: FieldPath, text: string, pattern: RegExp): void {
  if (!pattern.test(text))
    causes.invalid(at, text, `${at} in body should match '${pattern.source.replaceAll('\\/', '/')}'`);
}

const HOSTNAME = /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** A host name or `*.` and one. */
export function validateHostname(causes: Causes, at: FieldPath, hostname: string): void {
  if (!requireText(causes, at, hostname)) return;
  if (hostname.length > 253) causes.invalid(at, hostname, `${at} in body should be at most 253 chars long`);
  else if (!HOSTNAME.test(hostname)) {
    const lower = hostname.toLowerCase();
    const meant = lower !== hostname && HOSTNAME.test(lower) ? `did you mean "${lower}"?` : undefined;
    causes.invalid(at, hostname, `${at} in body should match '${HOSTNAME.source}'`, meant);
  } else if (parseIp(hostname) !== undefined) causes.invalid(at, hostname, 'Hostnames cannot contain an IP');
}
