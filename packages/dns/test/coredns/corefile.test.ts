import { CoreDns, CorefileError, PLUGIN_ORDER, parseCorefile } from '@netsim/dns';
import { type Finding, ObjectStore } from '@netsim/manifest';
import { describe, expect, test } from 'vitest';

function findingsOf(corefile: string, files: Readonly<Record<string, string>> = {}): readonly Finding[] {
  try {
    new CoreDns({ corefile, store: new ObjectStore(), now: () => 0, files });
    return [];
  } catch (error) {
    if (!(error instanceof CorefileError)) throw error;
    return error.findings;
  }
}

function problems(corefile: string, files: Readonly<Record<string, string>> = {}): string[] {
  return findingsOf(corefile, files).map(({ message, line }) => `${line}: ${message}`);
}

describe('a Corefile that is right', () => {
  test('has blocks, keys, statements and comments', () => {
    const { blocks } = parseCorefile(
      'a.test:53, b.test {\n # no\n log . "x y" {\n  class all\n }\n}\ntls://c.test {\n}\n',
    );
    expect(blocks.map(({ keys }) => keys.map(({ text }) => text))).toEqual([['a.test:53', 'b.test'], ['tls://c.test']]);
    const [directive] = blocks[0]!.directives;
    expect(directive).toMatchObject({ name: 'log', args: ['.', 'x y'], line: 3, body: [{ name: 'class' }] });
  });
  test('imports snippets and files, and reads the environment', () => {
    const text = '(common) {\n errors\n log\n}\n{$ZONE} {\n import common\n import more/*\n}\n';
    const { blocks } = parseCorefile(text, { env: { ZONE: 'x.test' }, files: { 'more/a': 'whoami', 'more/b': 'any' } });
    expect(blocks[0]!.keys[0]!.text).toBe('x.test');
    expect(blocks[0]!.directives.map(({ name }) => name)).toEqual(['errors', 'log', 'whoami', 'any']);
  });
  test("kubeadm's own starts", () => {
    const text = `.:53 {
      errors
      health {
         lameduck 5s
      }
      ready
      kubernetes cluster.local in-addr.arpa ip6.arpa {
         pods insecure
         fallthrough in-addr.arpa ip6.arpa
         ttl 30
      }
      prometheus :9153
      forward . /etc/resolv.conf {
         max_concurrent 1000
      }
      cache 30 {
         disable success cluster.local
         disable denial cluster.local
      }
      loop
      reload
      loadbalance
    }`;
    expect(problems(text, { '/etc/resolv.conf': 'nameserver 192.0.2.53\n' })).toEqual([]);
  });
  test('a CIDR key serves its reverse zones', () => {
    const text = '10.0.0.0/23 {\n whoami\n}';
    const server = new CoreDns({ corefile: text, store: new ObjectStore(), now: () => 0 });
    expect(server.listeners).toHaveLength(1);
  });
});

describe('a Corefile that is wrong is refused with each line', () => {
  test.each([
    [
      'an unknown plugin',
      '. {\n errors\n kuberntes\n}',
      ["3: Corefile:3 - Error during parsing: Unknown directive 'kuberntes'"],
    ],
    [
      'an unknown property',
      '. {\n kubernetes cluster.local {\n  pod insecure\n }\n}',
      ["3: plugin/kubernetes: Corefile:3 - Error during parsing: unknown property 'pod'"],
    ],
    [
      'two mistakes',
      '. {\n kubernetes cluster.local {\n  ttl 4000\n  pods maybe\n }\n}',
      [
        '3: plugin/kubernetes: Corefile:3 - Error during parsing: ttl must be in range [0, 3600]: 4000',
        '4: plugin/kubernetes: Corefile:4 - Error during parsing: wrong value for pods: maybe,  must be one of: disabled, verified, insecure',
      ],
    ],
    [
      'an unknown plugin before wrong arguments of others, in several blocks',
      '. {\n kubernets\n cache 0\n forward . 192.0.2.53 {\n  polcy random\n }\n}\na.test {\n chaoss\n file db.a\n}',
      [
        "2: Corefile:2 - Error during parsing: Unknown directive 'kubernets'",
        "9: Corefile:9 - Error during parsing: Unknown directive 'chaoss'",
        '3: plugin/cache: Corefile:3 - Error during parsing: cache TTL can not be zero or negative: 0',
        "5: plugin/forward: Corefile:5 - Error during parsing: unknown property 'polcy'",
        '10: plugin/file: Corefile:10 - Error during parsing: open db.a: no such file or directory',
      ],
    ],
    [
      'wrong arguments before a block that is never closed',
      'a.test {\n cache -1\n}\n. {\n errors\n',
      [
        "5: Corefile:5 - Error during parsing: Unexpected EOF, expecting '}'",
        '2: plugin/cache: Corefile:2 - Error during parsing: cache TTL can not be zero or negative: -1',
      ],
    ],
    [
      'a brace that is never closed',
      '. {\n errors\n',
      ["2: Corefile:2 - Error during parsing: Unexpected EOF, expecting '}'"],
    ],
    [
      'forward without servers',
      '. {\n forward .\n}',
      [
        "2: plugin/forward: Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '.'",
      ],
    ],
    [
      'a zone on one port twice',
      'a.test {\n whoami\n}\na.test {\n whoami\n}',
      ['4: Corefile:4 - cannot serve dns://a.test.:53 - it is already defined'],
    ],
    [
      'a zone file that is not there',
      'a.test {\n file db.a\n}',
      ['2: plugin/file: Corefile:2 - Error during parsing: open db.a: no such file or directory'],
    ],
  ])('%s', (_, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  test.each([
    ['a plugin', '. {\n  kubernets\n}', '2:3 kubernetes'],
    ['a plugin in other case', '. {\n\tForward . 192.0.2.53\n}', '2:2 forward'],
    ['a property of kubernetes', '. {\n kubernetes cluster.local {\n  pod insecure\n }\n}', '3:3 pods'],
    ['a property of forward', '. {\n forward . 192.0.2.53 {\n    polcy random\n }\n}', '3:5 policy'],
    ['a property of hosts', '. {\n hosts {\n  falthrough\n }\n}', '3:3 fallthrough'],
    ['a plugin in a snippet', '(common) {\n  erors\n}\n. { \n import common\n}', '2:3 errors'],
    ['a plugin after a quoted word of two lines', '. {\n log "a\nb"\n   cahce\n}', '4:4 cache'],
    ['nothing that there is', '. {\n banana\n}', '2:2'],
  ])('with its place and %s that was meant', (_, text, expected) => {
    const [{ line, column, suggestion }] = findingsOf(text) as [Finding];
    const meant = suggestion === undefined ? '' : ` ${/^did you mean "(.*)"\?$/.exec(suggestion)![1]}`;
    expect(`${line}:${column}${meant}`).toBe(expected);
  });

  test('but `cache abc` is right: abc is a zone', () => {
    expect(problems('. {\n cache abc\n whoami\n}')).toEqual([]);
  });

  test.each([
    ['a serial beyond 32 bits', '@ SOA ns h 4294967296 2 3 4 5'],
    ['a serial with a unit', '@ SOA ns h 1h 2 3 4 5'],
    ['a refresh beyond 32 bits', '@ SOA ns h 1 4294967296 3 4 5'],
    ['a preference beyond 16 bits', '@ SOA ns h 1 2 3 4 5\n@ MX 65536 mail'],
    ['a weight in hexadecimal', '@ SOA ns h 1 2 3 4 5\n@ SRV 0 0x1 80 web'],
    ['flags beyond 8 bits', '@ SOA ns h 1 2 3 4 5\n@ CAA 256 issue ca.test'],
  ])('a zone file with %s is refused', (_, zone) => {
    expect(problems('a.test {\n file db.a\n}', { 'db.a': `${zone}\n` })[0]).toMatch(
      /^2: plugin\/file: Corefile:2 - Error during parsing: dns: db\.a: bad (SOA|MX|SRV|CAA) record/,
    );
  });
  test('a zone file with the largest numbers, and times with units, is read', () => {
    const zone = '@ SOA ns h 4294967295 1h 2m 1w 4294967295\n@ MX 65535 mail\n@ CAA 255 issue ca.test\n';
    expect(problems('a.test {\n file db.a\n}', { 'db.a': zone })).toEqual([]);
  });

  test('of every plugin, with whatever stands after it, as a mistake and never as a crash', () => {
    const words = ['', 'a', '(', '-1', '1h', '/x', 'a b c d', '{{', 'name regex ( b', '@k', '0.0.0.0/99'];
    const bodies = [
      '{\n [ (\n }',
      '{\n directory d (\n }',
      '{\n match (\n answer "{{"\n }',
      '{\n ttl x\n success x\n }',
    ];
    for (const plugin of PLUGIN_ORDER) {
      for (const after of [...words, ...bodies]) {
        expect(problems(`. {\n nope\n ${plugin} ${after}\n}`)[0]).toContain("Unknown directive 'nope'");
      }
    }
    expect(problems('. {\n auto {\n  directory d (\n }\n}')[0]).toMatch(/^3: plugin\/auto: .* error parsing regexp: /);
  });

  test('an import of itself ends', () => {
    expect(problems('. {\n import a\n}', { a: 'import a' })[0]).toContain('import loop');
  });
  test('a zone file that includes itself ends', () => {
    const zone = '@ IN SOA ns h 1 2 3 4 5\n$INCLUDE db.a\n';
    expect(problems('a.test {\n file db.a\n}', { 'db.a': zone })[0]).toContain('too deeply nested $INCLUDE');
  });
});
