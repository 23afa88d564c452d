import { formatIp } from '@netsim/wire';
import { fail, ok, type Tool } from './tool.ts';

export const hostname: Tool = (args, { hostname: name, netns }) => {
  const [option] = args;
  switch (option) {
    case undefined:
      return ok(`${name}\n`);
    case '-s':
    case '--short':
      return ok(`${name.split('.')[0]}\n`);
    case '-i':
    case '-I':
    case '--ip-address':
    case '--all-ip-addresses': {
      const addresses = netns.addresses().filter(({ scope }) => scope === 'global');
      return ok(`${addresses.map(({ address }) => formatIp(address)).join(' ')}${option === '-I' ? ' ' : ''}\n`);
    }
    default:
      return fail(
        1,
        option.startsWith('-')
          ? `hostname: invalid option -- '${option.replace(/^-+/, '')}'`
          : 'hostname: you must be root to change the host name',
      );
  }
};

/** `cat` of the few files that a pod's network has. */
export const cat: Tool = (args, { files, hostname: name }) => {
  let stdout = '';
  let stderr = '';
  for (const path of args) {
    const text = files?.get(path) ?? (path === '/etc/hostname' ? `${name}\n` : undefined);
    if (text === undefined) stderr += `cat: ${path}: No such file or directory\n`;
    else stdout += text;
  }
  return { stdout, stderr, code: stderr === '' ? 0 : 1 };
};

export const trueTool: Tool = () => ok('');
export const falseTool: Tool = () => fail(1, '');
export const echo: Tool = (args) => ok(`${args.join(' ')}\n`);
