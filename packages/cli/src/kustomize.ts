import { execFile } from 'node:child_process';
import { CliError } from './context.ts';

/** Manifests of a kustomization, built by `kubectl kustomize`: kustomize is not written a second time here. */
export function kustomize(directory: string, env: Readonly<Record<string, string | undefined>>): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env, maxBuffer: 256 * 1024 * 1024 };
    execFile('kubectl', ['kustomize', directory], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (error.code === 'ENOENT') {
        const instead = `or run it elsewhere and pipe it in: kubectl kustomize ${directory} | netsim -f - ...`;
        reject(new CliError(`-k needs kubectl, which is not in PATH: install it, ${instead}`));
      } else reject(new CliError(`kubectl kustomize ${directory}: ${reasonIn(stderr) || error.message}`));
    });
  });
}

/** What kubectl says is wrong, without the form of its log. */
function reasonIn(stderr: string): string {
  const logged = /\berr="((?:[^"\\]|\\.)*)"/.exec(stderr)?.[1];
  return (logged ?? stderr).trim().replace(/^error: /, '');
}
