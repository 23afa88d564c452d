import type { Finding } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';
import { renderFindings } from '../src/index.ts';

const source = `apiVersion: v1
kind: Service
metadata:
  name: kubia
spec:
  selectors:
    app: kubia
`;

const unknownField: Finding = {
  severity: 'error',
  code: 'unknown-field',
  message: 'service "default/kubia": unknown field "spec.selectors"',
  suggestion: 'did you mean "selector"?',
  file: 'app.yaml',
  line: 6,
  column: 3,
};
const noPods: Finding = {
  severity: 'warning',
  code: 'selector-matches-nothing',
  message: 'service "default/kubia" selects no pod',
};

test('no findings are no text', () => {
  expect(renderFindings([])).toBe('');
});

test('a finding is a line with its place', () => {
  expect(renderFindings([unknownField, noPods])).toBe(
    [
      'error: app.yaml:6:3: service "default/kubia": unknown field "spec.selectors" (did you mean "selector"?)',
      'warning: service "default/kubia" selects no pod',
      '',
    ].join('\n'),
  );
});

test('with the source at hand, the line is shown and the word marked', () => {
  expect(renderFindings([unknownField, noPods], { source: () => source })).toBe(
    [
      'error: app.yaml:6:3: service "default/kubia": unknown field "spec.selectors" (did you mean "selector"?)',
      '    6 |   selectors:',
      '      |   ^^^^^^^^^',
      'warning: service "default/kubia" selects no pod',
      '',
    ].join('\n'),
  );
});

describe('the line shown', () => {
  function shown(text: string, column: number, width = 60): string[] {
    const finding: Finding = { severity: 'error', code: 'x', message: 'm', file: 'f', line: 1, column };
    return renderFindings([finding], { source: () => text, width })
      .split('\n')
      .slice(1, 3)
      .map((line) => line.slice(8));
  }

  test('has blanks for tabs and control characters, so that the caret stands right', () => {
    expect(shown('\tport: \x1b[31m80', 2)).toEqual([' port:  [31m80', ' ^^^^']);
  });

  test('is cut around the place where it is too long', () => {
    const [line, caret] = shown(`${'a: b, '.repeat(100)}wrong: 1, ${'c: d, '.repeat(100)}`, 601);
    expect(line.length).toBeLessThanOrEqual(60);
    expect(line).toMatch(/^….*…$/);
    expect(line.slice(caret.indexOf('^'), caret.lastIndexOf('^') + 1)).toBe('wrong');
  });

  test('is cut within a word that is longer than the terminal', () => {
    const [line, caret] = shown('x'.repeat(500), 1);
    expect(line.length).toBeLessThanOrEqual(60);
    expect(caret.length).toBeLessThanOrEqual(60);
  });

  test('takes a column past the end as the end', () => {
    expect(shown('ab', 99)).toEqual(['ab', '  ^']);
  });

  test('is left out where the file has no such line, or is not known', () => {
    const finding = { ...unknownField, line: 99 };
    expect(renderFindings([finding], { source: () => source }).split('\n').length).toBe(2);
    expect(renderFindings([unknownField], { source: () => undefined }).split('\n').length).toBe(2);
  });
});

test('each file is asked for once', () => {
  const asked: string[] = [];
  renderFindings([unknownField, unknownField, { ...unknownField, file: 'other.yaml' }], {
    source: (file) => {
      asked.push(file);
      return source;
    },
  });
  expect(asked).toEqual(['app.yaml', 'other.yaml']);
});

test('colour changes no character of the text', () => {
  const colored = renderFindings([unknownField, noPods], { color: true, source: () => source });
  expect(colored).toContain('\x1b[31merror:');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with one
  expect(colored.replace(/\x1b\[\d+m/g, '')).toBe(renderFindings([unknownField, noPods], { source: () => source }));
});
