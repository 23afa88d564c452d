// kube-proxy's rules of one node: from objects to packets, and the cost of a change.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** @returns {{ services: number, endpoints: number, mode: string, build: number, change: number }[]} milliseconds */
export function measureRules({ sizes, runs }) {
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
