import { type ExecContext, fail, ok, type Tool } from './tool.ts';

/** `env` of the container, or with `NAME=VALUE` before it; running a program in a changed environment is left to `run`. */
export function envTool(run: (argv: readonly string[], context: ExecContext) => ReturnType<Tool>): Tool {
  return (args, context) => {
    let env = new Map(context.env);
    let at = 0;
    for (; at < args.length; at++) {
      const word = args[at]!;
      if (word === '-i' || word === '-' || word === '--ignore-environment') env = new Map();
      else if (word === '-u') env.delete(args[++at] ?? '');
      else if (word.startsWith('-')) {
        const help = context.userland === 'gnu' ? "\nTry 'env --help' for more information." : '';
        return fail(context.userland === 'gnu' ? 125 : 1, `env: invalid option -- '${word.replace(/^-+/, '')}'${help}`);
      } else if (/^[^=]+=/.test(word)) env.set(word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1));
      else break;
    }
    const rest = args.slice(at);
    if (rest.length > 0) return run(rest, { ...context, env });
    return ok([...env].map(([name, value]) => `${name}=${value}\n`).join(''));
  };
}

/** `printenv`: all, or the values of those that are named; 1 where one of them is not set. */
export const printenv: Tool = (args, { env }) => {
  const names = args.filter((word) => !word.startsWith('-'));
  if (names.length === 0) return ok([...env].map(([name, value]) => `${name}=${value}\n`).join(''));
  const values = names.flatMap((name) => env.get(name) ?? []);
  return {
    stdout: values.map((value) => `${value}\n`).join(''),
    stderr: '',
    code: values.length === names.length ? 0 : 1,
  };
};
