/** The output formats of each command, the default first. */
export const formats = {
  trace: ['text', 'wide', 'json', 'yaml'],
  exec: ['text'],
  dns: ['text', 'json', 'yaml'],
  diagnose: ['text', 'json', 'yaml'],
  get: ['text', 'wide', 'name', 'json', 'yaml'],
  describe: ['text'],
  routes: ['text', 'wide', 'json', 'yaml'],
  test: ['text', 'junit', 'tap', 'json', 'yaml'],
  lint: ['text', 'json', 'yaml'],
  lab: ['text'],
  demo: ['yaml'],
  explain: ['text', 'json', 'yaml'],
  completion: ['text'],
  version: ['text', 'json', 'yaml'],
} as const;

/** The formats of a command by its words (`trace`, `lab verify`); those of all where no command is named yet. */
export function formatsOf(path: string): readonly string[] {
  const [name = ''] = path.split(' ');
  if (name === '') return [...new Set(Object.values(formats).flat())];
  return Object.hasOwn(formats, name) ? formats[name as keyof typeof formats] : [];
}
