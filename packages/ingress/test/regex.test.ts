import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { MatchLimitError, Regex, RegexError, toBytes } from '../src/regex/index.ts';
import { generator } from './random.ts';

/** Index and groups of the first match, or null. */
function found(pattern: string, text: string, caseless = false): (string | number | undefined)[] | null {
  const match = new Regex(pattern, { caseless }).exec(toBytes(text));
  return match === undefined ? null : [match.index, ...match.groups];
}

describe('finds what PCRE finds', () => {
  const rows: [what: string, pattern: string, text: string, wanted: (string | number | undefined)[] | null][] = [
    ['the first alternative, not the longest', 'a|ab', 'ab', [0, 'a']],
    ['greedy', '/(.*)/', '/a/b/c', [0, '/a/b/', 'a/b']],
    ['lazy', '/(.*?)/', '/a/b/c', [0, '/a/', 'a']],
    ['possessive gives nothing back', 'a*+a', 'aaa', null],
    ['an atomic group gives nothing back', '(?>a|ab)c', 'abc', null],
    ['look-ahead', '/(?!api)(.*)', '/api', null],
    ['look-behind of one length for each alternative', '(?<=a|bc)d', 'bcd', [2, 'd']],
    ['a back reference', '(a+)-\\1$', 'aa-aa', [0, 'aa-aa', 'aa']],
    ['a named group', '(?<year>\\d+)', 'in 2024', [3, '2024', '2024']],
    ['a counted repeat', '^[A-Z]{2,3}$', 'ABCD', null],
    ['a brace that counts nothing is a character', 'a{,3}', 'a{,3}', [0, 'a{,3}']],
    ['(?i) from here on', 'a(?i)b', 'aB', [0, 'aB']],
    ['$ before a newline at the end', 'a$', 'a\n', [0, 'a']],
    ['\\z only at the end', 'a\\z', 'a\n', null],
    ['. is no newline', 'a.b', 'a\nb', null],
    ['a POSIX class', '^[[:alpha:]_-]+$', 'ab_-', [0, 'ab_-']],
    ['] first in a bracket', '[]a]+', ']a', [0, ']a']],
    ['a loop over nothing ends', '(a*)*b', 'aab', [0, 'aab', '']],
    ['bytes: one character of UTF-8 is two', '^..$', 'é', [0, toBytes('é')]],
    ['\\Q takes everything as it is', '\\Q.*\\E', 'a.*', [1, '.*']],
  ];
  test.each(rows)('%s', (_what, pattern, text, wanted) => {
    expect(found(pattern, text)).toEqual(wanted);
  });

  test('without regard to case', () => {
    expect(found('^/FOO[x-z]', '/fooY', true)).toEqual([0, '/fooY']);
  });
});

describe('refuses what PCRE refuses, and what it does not model', () => {
  test.each([
    ['a group without an end', '(a'],
    ['a parenthesis too many', 'a)'],
    ['a quantifier of nothing', '*a'],
    ['a quantifier of a quantifier', 'a**'],
    ['a bracket without an end', '[a'],
    ['a range in the wrong order', '[z-a]'],
    ['a look-behind without a length', '(?<=a*)b'],
    ['a group that is not there', '(a)\\2'],
    ['a backslash at the end', 'a\\'],
    ['numbers in the wrong order', 'a{3,1}'],
    ['an escape that means nothing', '\\y'],
    ['recursion', '(a(?R)?)'],
    ['a verb', '(*SKIP)a'],
    ['two groups of one name', '(?<a>x)(?<a>y)'],
    ['more than can be compiled', '(((a{100}){100}){100})'],
    ['too many parentheses', `${'('.repeat(300)}${')'.repeat(300)}`],
  ])('%s', (_what, pattern) => {
    expect(() => new Regex(pattern)).toThrow(RegexError);
  });
});

describe('ends, whatever the pattern', () => {
  test.each(['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '(.*)*x', '^(([a-z])+.)+[A-Z]([a-z])+$', '(x+x+)+y'])(
    '%s',
    (pattern) => {
      expect(new Regex(pattern).test(`${'a'.repeat(2_000)}!`)).toBe(false);
    },
  );

  test('back references end at the limit of PCRE', () => {
    expect(() => new Regex('^(a+)+\\1b').test('a'.repeat(40))).toThrow(MatchLimitError);
  });
});

/** A pattern of nested groups, `depth` deep at most. */
function randomPattern(random: (below: number) => number, depth: number): string {
  const pick = (items: readonly string[]): string => items[random(items.length)]!;
  const atom = (): string => {
    const kind = random(14);
    if (kind < 5) return pick(['a', 'b', 'c', '/', '\\.', '-']);
    if (kind === 5) return '.';
    if (kind === 6) return pick(['[ab]', '[^a]', '[a-c/]', '[^/]', '[]a]', '[a\\-c]']);
    if (kind === 7) return pick(['\\w', '\\d', '\\s', '\\W', '\\b', '\\B']);
    if (kind === 13) return pick(['(?<=a)', '(?<!b)', '(?<=a|bc)', '$', '^', '(?i)', '\\z']);
    if (depth === 0) return 'a';
    const inner = randomPattern(random, depth - 1);
    if (kind < 11) return `(${inner})`;
    if (kind === 11) return `(?:${inner})`;
    const open = pick(['(?=', '(?!', '(?>']);
    // Perl keeps what was captured where a negative look-ahead failed, PCRE does not.
    return `${open}${open === '(?!' ? inner.replace(/\((?!\?)/g, '(?:') : inner})`;
  };
  const repeated = (): string => {
    const one = atom();
    if (random(3) > 0 || /^(\\[bBz]|\$|\^|\(\?([=!<]|i\)))/.test(one)) return one;
    return one + pick(['*', '+', '?', '{2}', '{1,2}', '*?', '+?', '??', '*+', '{0,2}']);
  };
  let text = Array.from({ length: random(4) }, repeated).join('');
  while (random(4) === 0) text += `|${Array.from({ length: random(4) }, repeated).join('')}`;
  return text;
}

const perl = spawnSync('perl', ['-e', '1']).status === 0;
test.runIf(perl)('agrees with Perl on random patterns, groups included', () => {
  const random = generator(1);
  const texts = ['a', 'b', 'c', '/', '.', 'A', '-', '1', '\n'];
  const cases = Array.from({ length: 3_000 }, () => {
    const source = randomPattern(random, 3);
    return [source, Array.from({ length: random(8) }, () => texts[random(texts.length)]!).join('')] as const;
  });
  const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex');
  const script = `while(<STDIN>){chomp;my($p,$t)=split / /,$_,2;$p=pack('H*',$p);$t=pack('H*',$t);no warnings;
    if($t=~/$p/a){print join(',',map{defined $-[$_]&&defined $+[$_]?unpack('H*',substr($t,$-[$_],$+[$_]-$-[$_])).'.':'-'}0..$#-),"\\n"}else{print "none\\n"}}`;
  const input = cases.map(([source, text]) => `${hex(source)} ${hex(text)}\n`).join('');
  const answers = spawnSync('perl', ['-e', script], { input, encoding: 'utf8' }).stdout.split('\n');
  const different = cases.filter(([source, text], i) => {
    const match = new Regex(source).exec(text);
    const ours = match?.groups.map((group) => (group === undefined ? '-' : `${hex(group)}.`)) ?? ['none'];
    // Perl leaves groups out that stand behind the last one that took part.
    while (ours.at(-1) === '-') ours.pop();
    return ours.join(',') !== answers[i]!.replace(/(,-)+$/, '');
  });
  expect(different).toEqual([]);
});
