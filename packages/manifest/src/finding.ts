import type { Path } from './objects.ts';

/** Something to tell the user about the input. Errors stop; warnings do not. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  /** Stable name, explained by `netsim explain CODE`: `unknown-field`, `wrong-type`, `selector-matches-nothing`, ... */
  readonly code: string;
  /** One line, without position: `service "default/kubia": unknown field "spec.selectors"`. */
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** Field path in the object. */
  readonly path?: Path;
  /** The nearest right name, or what was probably meant. */
  readonly suggestion?: string;
  readonly object?: { readonly kind: string; readonly namespace?: string; readonly name: string };
}

/** Thrown where input cannot be used; carries every finding, not only the first. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly findings: readonly Finding[];
  constructor(findings: readonly Finding[]) {
    super(findings.map(formatFinding).join('\n'));
    this.findings = findings;
  }
}

/** `error: file.yaml:14:9: message (did you mean "x"?)`. */
export function formatFinding(finding: Finding): string {
  const { severity, file, line, column, message, suggestion } = finding;
  const where = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}:${column ?? 1}`}: `;
  return `${severity}: ${where}${message}${suggestion === undefined ? '' : ` (${suggestion})`}`;
}
