import { escapeTerminal } from '../format.ts';
import { alignTabs, DESCRIBE_TABS } from '../tabwriter.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** Longest `key: value` of an annotation on one line. */
const ANNOTATION_WIDTH = 140;

/** Collects the lines of a description; two spaces a level, columns by tabs. */
export class DescribeWriter {
  readonly #lines: string[] = [];

  /** A line at a level, its cells apart by tabs. */
  line(level: number, ...cells: readonly (string | number | boolean)[]): void {
    this.#lines.push('  '.repeat(level) + cells.join('\t'));
  }

  /** Text as it is, with its own newlines; its last line must be ended. */
  text(text: string): void {
    this.#lines.push(...text.replace(/\n$/, '').split('\n'));
  }

  /** A field with several lines of values; `<none>` without any. The first stands beside the title. */
  list(indent: string, title: string, values: readonly string[]): void {
    if (values.length === 0) this.#lines.push(`${indent}${title}:\t<none>`);
    for (const [index, value] of values.entries()) {
      this.#lines.push(index === 0 ? `${indent}${title}:\t${value}` : `${indent}\t${value}`);
    }
  }

  labels(indent: string, title: string, labels: Readonly<Record<string, string>> | undefined): void {
    const keys = Object.keys(labels ?? {}).sort();
    this.list(
      indent,
      title,
      keys.map((key) => `${key}=${labels![key]}`),
    );
  }

  annotations(indent: string, title: string, annotations: Readonly<Record<string, string>> | undefined): void {
    const values: string[] = [];
    for (const key of Object.keys(annotations ?? {}).sort()) {
      if (key === LAST_APPLIED) continue;
      const value = annotations![key]!.replace(/\n$/, '');
      if (key.length + value.length + 2 <= ANNOTATION_WIDTH && !value.includes('\n')) {
        values.push(`${key}: ${value}`);
        continue;
      }
      values.push(`${key}:`, ...value.split('\n').map((line) => `  ${shorten(line, ANNOTATION_WIDTH - 2)}`));
    }
    this.list(indent, title, values);
  }

  /** netsim keeps no events; kubectl says `<none>` where there are none. */
  events(): void {
    this.line(0, 'Events:', '<none>');
  }

  toString(): string {
    return alignTabs(escapeTerminal(this.#lines.map((line) => `${line}\n`).join('')), DESCRIBE_TABS);
  }
}

function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}...` : text;
}
