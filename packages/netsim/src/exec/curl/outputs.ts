import type { FileError } from '../../containers/file-system.ts';
import { fileErrorText } from '../files.ts';
import type { ExecContext } from '../tool.ts';
import type { CurlOptions, Output } from './options.ts';

/** Where the body of a URL goes: the name of a file, `-` or undefined for stdout; '' where -O finds no name in the URL. */
export function outputName(url: string, output: Output | undefined, { outputDir }: CurlOptions): string | undefined {
  if (output === undefined) return undefined;
  const path = url.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/[?#].*$/, '');
  const name =
    output === 'remote-name' ? (path.includes('/') ? path.slice(path.lastIndexOf('/') + 1) : '') : output.file;
  if (name === '' || name === '-' || outputDir === '') return name;
  return `${outputDir}/${name}`;
}

/** Writes a body, or says what is wrong. */
export function saveBody(
  name: string,
  text: string,
  files: ExecContext['files'],
  { createDirs }: CurlOptions,
): string | undefined {
  if (name === '/dev/null') return undefined;
  const parts = name.split('/');
  if (createDirs) {
    for (let i = 1; i < parts.length; i++) {
      const above = parts.slice(0, i).join('/');
      if (above !== '') files.makeDirectory(above);
    }
  }
  const error: FileError | undefined = files.write(name, text);
  return error === undefined ? undefined : fileErrorText(error);
}
