import { assertTraceInvariants } from '@netsim/trace';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import * as fixtures from '../../../trace/test/fixtures.ts';
import { type Detail, renderTrace, renderTraceJson, renderTraceYaml } from '../../src/index.ts';

const cases = Object.entries(fixtures);

describe.each(cases)('the trace %s', (name, trace) => {
  test('is one that keeps to the invariants', () => {
    expect(() => assertTraceInvariants(trace)).not.toThrow();
  });

  test.each<Detail>(['minimal', 'summary', 'full'])('is told as the golden file says, in %s form', async (detail) => {
    const text = renderTrace(trace, { detail });
    await expect(text).toMatchFileSnapshot(`golden/${name}.${detail}.txt`);
  });

  test.each<Detail>(['minimal', 'summary', 'full'])(
    'has no trailing blanks and ends its last line, in %s form',
    (detail) => {
      const text = renderTrace(trace, { detail });
      expect(text).toMatch(/[^\n]\n$/);
      expect(text.split('\n').filter((line) => line !== line.trimEnd())).toEqual([]);
    },
  );

  test('fits the terminal in summary form', () => {
    for (const width of [80, 100]) {
      const lines = renderTrace(trace, { width }).split('\n').slice(1);
      const tooLong = lines.filter((line) => line.length > width && !line.includes('-A '));
      expect(tooLong).toEqual([]);
    }
  });

  test('says the same with colour as without', () => {
    for (const detail of ['minimal', 'summary', 'full'] as const) {
      const colored = renderTrace(trace, { detail, color: true });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with one
      expect(colored.replace(/\x1b\[\d+m/g, '')).toBe(renderTrace(trace, { detail }));
    }
    expect(renderTrace(trace, { color: true })).toContain('\x1b[');
  });

  test('comes back from JSON and from YAML as it was', () => {
    const plain = JSON.parse(JSON.stringify(trace));
    expect(JSON.parse(renderTraceJson(trace))).toEqual(plain);
    expect(parse(renderTraceYaml(trace))).toEqual(plain);
  });
});

test('the minimal form holds no source port, no hashed chain and no generated name', () => {
  for (const [, trace] of cases) {
    const text = renderTrace(trace, { detail: 'minimal' });
    expect(text).not.toMatch(/40000|KUBE-S[VE]|x2x4q/);
  }
});

test('a delivered path takes a dozen lines', () => {
  expect(renderTrace(fixtures.delivered).trimEnd().split('\n').length).toBeLessThanOrEqual(13);
});

test('a path that failed ends with the line that is to blame and with what to change', () => {
  const lines = renderTrace(fixtures.noEndpoints).trimEnd().split('\n');
  expect(lines.at(-2)).toBe(
    'because: examples/kubia/kubia.yaml:31 service/kubia: spec.selector app=kubai matches no pod',
  );
  expect(lines.at(-1)).toMatch(/^advice: change the selector to app=kubia/);
});

test('the full form shows each rule exactly as iptables-save prints it', () => {
  const text = renderTrace(fixtures.delivered, { detail: 'full' });
  for (const hop of fixtures.delivered.paths[0].request.hops) {
    for (const step of hop.steps) if (step.kind === 'rule') expect(text).toContain(step.text);
  }
});

test('the wide form shows chains by their whole name', () => {
  expect(renderTrace(fixtures.delivered)).not.toContain('KUBE-SVC-L5EAUEZ74VZL5GSC');
  expect(renderTrace(fixtures.delivered, { wide: true })).toContain('KUBE-SVC-L5EAUEZ74VZL5GSC');
});
