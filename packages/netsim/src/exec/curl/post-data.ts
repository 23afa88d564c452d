import type { ParsedArgs } from '../args.ts';
import { type ExecContext, fail, type ToolResult } from '../tool.ts';

/** What `-d` and its like put into the body, and into the head. */
export interface PostData {
  readonly data: string | undefined;
  readonly headers: readonly string[];
  readonly warnings: string;
}

/** Joins the data options in their order, by `&`; those of --json without it. */
export function postData({ sequence }: ParsedArgs, files: ExecContext['files']): PostData | ToolResult {
  let data: string | undefined;
  let warnings = '';
  let json = false;
  for (const { name, value = '' } of sequence) {
    let part: string | undefined;
    switch (name) {
      case 'd':
      case 'data-binary':
      case 'json': {
        part = value;
        if (value.startsWith('@')) {
          const text = files.read(value.slice(1));
          if (typeof text !== 'string') {
            warnings += `Warning: Couldn't read data from file "${value.slice(1)}", this makes an empty POST.\n`;
            part = '';
          } else part = name === 'd' ? text.replace(/[\r\n\0]/g, '') : text;
        }
        json ||= name === 'json';
        break;
      }
      case 'data-raw':
        part = value;
        break;
      case 'data-urlencode': {
        const encoded = urlEncoded(value, files);
        if (encoded === undefined) return fail(26, `curl: Failed to open ${value.slice(value.indexOf('@') + 1)}!`);
        part = encoded;
        break;
      }
      default:
        continue;
    }
    data = data === undefined ? part : `${data}${name === 'json' ? '' : '&'}${part}`;
  }
  return { data, headers: json ? ['Content-Type: application/json', 'Accept: application/json'] : [], warnings };
}

/** `content`, `=content`, `name=content`, `@file`, `name@file`: the content is encoded, the name is not. */
function urlEncoded(text: string, files: ExecContext['files']): string | undefined {
  const at = text.search(/[=@]/);
  if (at < 0) return escaped(text);
  const name = text.slice(0, at);
  let content: string | undefined = text.slice(at + 1);
  if (text[at] === '@') {
    const read = files.read(content);
    content = typeof read === 'string' ? read : undefined;
  }
  if (content === undefined) return undefined;
  return name === '' ? escaped(content) : `${name}=${escaped(content)}`;
}

function escaped(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%20', '+')
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
