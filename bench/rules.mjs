// kube-proxy's rules of one node: from objects to packets, and the cost of a change.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { table } from './table.mjs';

/** @type {import('./run.mjs').Part['run']} */
export function run({ smoke }) {
  const sizes = smoke
    ? [[100, 2]]
    : [
        [1_000, 2],
        [1_000, 10],
        [5_000, 2],
        [5_000, 10],
      ];
  const results = measureRules({ sizes, runs: smoke ? 1 : 5 });
  console.log("\nkube-proxy's rules of one node, until a packet has been through them");
  console.log(
    table(
      ['services x endpoints', 'mode', 'from objects', 'one endpoint changed'],
      results.map(({ services, endpoints, mode, build, change }) => [
        `${services.toLocaleString('en')} x ${endpoints}`,
        mode,
        `${build.toFixed(0)} ms`,
        `${change.toFixed(2)} ms`,
      ]),
    ),
  );
  return results;
}

/** @returns {{ services: number, endpoints: number, mode: string, build: number, change: number }[]} milliseconds */
function measureRules({ sizes, runs }) {
  const script = fileURLToPath(new URL('./rules-child.mjs', import.meta.url));
  return sizes.flatMap(([services, endpoints]) =>
    ['iptables', 'nftables'].map((mode) => {
      const results = Array.from({ length: runs }, () => {
        const { status, stdout, stderr } = spawnSync(
          process.execPath,
          [script, String(services), String(endpoints), mode],
          { encoding: 'utf8' },
        );
        if (status !== 0) throw new Error(`rules of ${services} x ${endpoints}, ${mode}: ${stderr}`);
        return JSON.parse(stdout);
      });
      const median = (field) => results.map((each) => each[field]).sort((a, b) => a - b)[results.length >> 1];
      return { services, endpoints, mode, build: median('build'), change: median('change') };
    }),
  );
}
