import type { ManifestError } from '@netsim/manifest';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { colorChoices } from './color.ts';
import type { TraceOptions } from './commands/trace.ts';
import { CliError, CommandContext, type GlobalOptions, printable } from './context.ts';
import { formatsOf } from './formats.ts';
import type { CliIo } from './io.ts';
import { logLevels } from './log.ts';
import { packageVersion } from './version.ts';

/** Parses a command line and runs its command. Commands are loaded when they are called, and only then. */
export async function runProgram(argv: readonly string[], io: CliIo): Promise<number> {
  let context: CommandContext | undefined;
  const { program, status } = buildProgram(io, (made) => {
    context = made;
  });
  if (argv[0] === '__complete') {
    const { complete } = await import('./commands/complete.ts');
    return complete(argv.slice(1), program, io);
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return status();
  } catch (error) {
    return await reportError(error, context ?? new CommandContext(io, { color: 'never' }));
  }
}

/** What went wrong, each in a line of its own, and the exit status for it. */
async function reportError(error: unknown, context: CommandContext): Promise<number> {
  // commander has said it already; help and version end this way too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (!(error instanceof Error)) throw error;
  if (error.name === 'ManifestError') context.err(await context.findingsText((error as ManifestError).findings));
  else if (error instanceof CliError || error.name === 'UsageError') context.say(`error: ${error.message}\n`);
  // What nobody foresaw must not look like the answer "no", which is 1.
  else context.err(`internal error, please report it: ${error.stack ?? error.message}\n`);
  return 2;
}

function count(text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || value < 1 || value > 1e9)
    throw new InvalidArgumentError('Expected a whole number from 1 on.');
  return value;
}

function wholeNumber(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.');
  return Number(text);
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** Commands that are to come, and what to use until then. */
const planned = [
  ['matrix', 'netsim trace --all-paths asks for one pair, and netsim test for many at once'],
  ['diff', 'netsim test tells with the manifests of before and after what has changed for its expectations'],
] as const;

interface Program {
  readonly program: Command;
  /** Exit status of the command that ran. */
  status(): number;
}

/** The whole tree of commands and flags; also what completion reads. */
function buildProgram(io: CliIo, started: (context: CommandContext) => void = () => {}): Program {
  let exitStatus = 0;
  const program = new Command('netsim');
  program
    .description('The network of a Kubernetes cluster, packet by packet, from its manifests')
    .option('-f, --filename <file>', 'manifest file or directory, - for stdin; may be repeated', collect)
    .option('-R, --recursive', 'also read the directories in directories')
    .option('-k, --kustomize <dir>', 'a kustomization, built by kubectl kustomize')
    .option('-n, --namespace <namespace>', 'namespace of names and manifests that do not say theirs (default: default)')
    .option('-o, --output <format>', 'output format: those of the command stand at the end of its help')
    .option('--seed <n>', 'seed of names, addresses and choices (default: 1)', wholeNumber)
    .addOption(new Option('--color <when>', 'colour the output').choices(colorChoices).default('auto'))
    .addOption(new Option('--log-level <level>', 'log to stderr as JSON lines').choices(logLevels))
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(printable(text)),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit status: 0 yes, 1 no, 2 usage or input error, 130 interrupted.\nWithout -f the built-in demo cluster "kubia" is used: try netsim trace pod-a svc/kubia',
    );

  /** The context of a command, and its exit status. */
  const act = async (command: Command, body: (context: CommandContext) => Promise<number>) => {
    const context = new CommandContext(io, command.optsWithGlobals<GlobalOptions>());
    started(context);
    exitStatus = await body(context);
  };

  program
    .command('trace')
    .description('walk a packet and its reply, and show every step')
    .argument('<source>', 'pod, deploy/NAME, node/NAME, host/NAME, external or an IP')
    .argument('<destination>', 'svc/NAME[:PORT], pod/NAME[:PORT], node/NAME:PORT, IP:PORT, NAME:PORT or a URL')
    .addOption(new Option('--protocol <protocol>', 'transport').choices(['tcp', 'udp', 'sctp', 'icmp']))
    .addOption(
      new Option('--detail <level>', 'how much to show').choices(['minimal', 'summary', 'full']).default('summary'),
    )
    .option('--all-paths', 'every way that the packet may take, with its probability')
    .option('--endpoint <pod>', 'of the random choices take those that lead to this pod')
    .option('--count <n>', 'send this many and show how they spread', count)
    .option('--dns', 'look the destination up by its name, as a program would, and show the way of each query')
    .option('--method <method>', 'for a URL that leads to a controller (default: GET)')
    .option('--header <field>', 'as --method: "Name: value"; may be repeated', collect)
    .option('--pcap <file>', 'write the frames as pcapng, - for stdout')
    .addHelpText(
      'after',
      examples(
        'netsim trace pod-a svc/kubia',
        'netsim -f k8s/ trace deploy/web svc/api:http --all-paths',
        'netsim trace external 10.244.1.2:8080 --detail full',
      ),
    )
    .action(async (source: string, destination: string, options: TraceOptions, command: Command) => {
      const { trace } = await import('./commands/trace.ts');
      await act(command, (context) => trace(context, source, destination, options));
    });

  program
    .command('exec')
    .description('run an emulated tool in a pod, on a node or on a host')
    .usage('[options] POD|node/NODE|host/NAME [-c CONTAINER] -- COMMAND [ARGS...]')
    .argument('<target>', 'pod, node/NAME or host/NAME')
    .argument('<command...>', 'curl, ping, nc, ip, ss, ...; on nodes also iptables-save, conntrack, bridge')
    .option('-c, --container <name>', 'container of the pod')
    .option('-i, --stdin', 'taken as kubectl does; nothing is read')
    .option('-t, --tty', 'taken as kubectl does; there is no terminal')
    .addHelpText(
      'after',
      examples('netsim exec pod-a -- curl -s http://kubia', 'netsim exec node/w1-k8s -- iptables-save -t nat'),
    )
    .action(async (target: string, words: string[], options: object, command: Command) => {
      const { exec } = await import('./commands/exec.ts');
      await act(command, (context) => exec(context, target, words, options));
    });

  program
    .command('dns')
    .description('every query of a lookup with its answer; exit status 1 where there is none')
    .argument('<source>', 'who asks: pod, deploy/NAME, node/NAME, host/NAME or external')
    .argument('<name>', 'as a program there would write it')
    .argument('[type]', 'record type, such as SRV (default: addresses, as getaddrinfo)')
    .addHelpText('after', examples('netsim dns pod-a kubia', 'netsim dns pod-a kubernetes.default SRV'))
    .action(async (source: string, name: string, type: string | undefined, _options: object, command: Command) => {
      const { dns } = await import('./commands/dns.ts');
      await act(command, (context) => dns(context, source, name, type));
    });

  program
    .command('diagnose')
    .description('the troubleshooting list: the first point that is wrong, and the line to change')
    .argument('<destination>', 'svc/NAME[:PORT], pod/NAME[:PORT], NAME[:PORT] or a URL')
    .option('--from <source>', 'who asks, as for trace (default: a pod of the namespace)')
    .addOption(new Option('--protocol <protocol>', 'transport').choices(['tcp', 'udp', 'sctp', 'icmp']))
    .addHelpText(
      'after',
      examples('netsim diagnose svc/kubia', 'netsim -f k8s/ diagnose svc/api:http --from deploy/web'),
    )
    .action(async (destination: string, options: object, command: Command) => {
      const { diagnose } = await import('./commands/diagnose.ts');
      await act(command, (context) => diagnose(context, destination, options));
    });

  program
    .command('get')
    .description('show objects after the control loops, as kubectl does')
    .argument('<kind>', 'pods, svc, ep, endpointslices, deploy, rs, nodes, ns, all, ... or KIND/NAME')
    .argument('[names...]', 'only these')
    .option('-l, --selector <selector>', 'only objects with these labels')
    .option('-A, --all-namespaces', 'of every namespace')
    .option('--show-labels', 'a last column with the labels')
    .option('-L, --label-columns <keys>', 'a column for each of these labels', collect)
    .option('--no-headers', 'no header line')
    .addHelpText(
      'after',
      examples(
        'netsim get pods -o wide',
        'netsim -f k8s/ get endpointslices -l kubernetes.io/service-name=api -o yaml',
      ),
    )
    .action(async (kind: string, names: string[], options: object, command: Command) => {
      const { get } = await import('./commands/get.ts');
      await act(command, (context) => get(context, kind, names, options));
    });

  program
    .command('describe')
    .description('show objects in detail, as kubectl does')
    .argument('<kind>', 'pod, svc, node, ... or KIND/NAME')
    .argument('[names...]', 'only these')
    .option('-l, --selector <selector>', 'only objects with these labels')
    .option('-A, --all-namespaces', 'of every namespace')
    .addHelpText('after', examples('netsim describe svc kubia'))
    .action(async (kind: string, names: string[], options: object, command: Command) => {
      const { describe } = await import('./commands/describe.ts');
      await act(command, (context) => describe(context, kind, names, options));
    });

  program
    .command('routes')
    .description(
      'the routing table of all Ingresses and routes, in order of precedence; exit status 1 where it is empty',
    )
    .argument('[host]', 'only the rules that a request for this host may meet')
    .addHelpText('after', examples('netsim -f k8s/ routes', 'netsim -f k8s/ routes kubia.example.com -o wide'))
    .action(async (host: string | undefined, _options: object, command: Command) => {
      const { routes } = await import('./commands/routes.ts');
      await act(command, (context) => routes(context, host));
    });

  program
    .command('test')
    .description('check expectations written in YAML; exit status 1 where one is not met')
    .argument('<file...>', 'files or directories of kind: Expectations, - for stdin')
    .addHelpText('after', examples('netsim -f k8s/ test expectations.yaml', 'netsim -f k8s/ test tests/ -o junit'))
    .action(async (files: string[], _options: object, command: Command) => {
      const { test } = await import('./commands/test.ts');
      await act(command, (context) => test(context, files));
    });

  program
    .command('lint')
    .description('findings on the manifests, without a packet; exit status 1 where there are any')
    .addHelpText('after', examples('netsim -f k8s/ lint'))
    .action(async (_options: object, command: Command) => {
      const { lint } = await import('./commands/lint.ts');
      await act(command, lint);
    });

  const lab = program
    .command('lab')
    .helpCommand(false)
    .description('the same cluster in the real kernel (Linux, root)')
    .addHelpText('after', examples('sudo netsim lab verify --probes 1000 --seed 7'));
  const labCommand = (name: string, description: string) =>
    lab
      .command(name)
      .description(description)
      .addHelpText('after', examples(`sudo netsim lab ${name}`))
      .action(async (options: object, command: Command) => {
        const { runLab } = await import('./commands/lab.ts');
        await act(command, (context) => runLab(context, name, options));
      });
  labCommand('up', 'build the cluster from network namespaces, and say how to enter them');
  labCommand('down', 'remove them');
  labCommand('verify', 'random clusters and probes, in the kernel and here, compared')
    .option('--probes <n>', 'number of probes (default: 1000)', count)
    .option('--clusters <n>', 'number of random clusters (default: one for 20 probes)', count)
    .addOption(
      new Option('--proxy-mode <mode>', 'kube-proxy of all clusters (default: mixed, by seed)').choices([
        'iptables',
        'nftables',
        'mixed',
      ]),
    )
    .addOption(
      new Option('--ip-family <family>', 'addresses of all clusters (default: mixed, by seed)').choices([
        'ipv4',
        'ipv6',
        'dual',
        'mixed',
      ]),
    )
    .option('--cases <dir>', 'write each disagreement as a JSON file there');

  program
    .command('demo')
    .description('print the manifests of the built-in demo cluster')
    .addHelpText('after', examples('netsim demo > kubia.yaml'))
    .action(async (_options: object, command: Command) => {
      const { demo } = await import('./commands/demo.ts');
      await act(command, demo);
    });

  program
    .command('explain')
    .description('what a disposition, drop reason or finding means, and how to mend it')
    .argument('[code]', 'NO_ENDPOINTS, NEIGH_FAILED, selector-matches-nothing, ...; none for the list')
    .addHelpText('after', examples('netsim explain NO_ENDPOINTS'))
    .action(async (code: string | undefined, _options: object, command: Command) => {
      const { explain } = await import('./commands/explain.ts');
      await act(command, (context) => explain(context, code));
    });

  program
    .command('completion')
    .description('print a completion script')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText('after', examples('source <(netsim completion bash)'))
    .action(async (shell: string, _options: object, command: Command) => {
      const { completion } = await import('./commands/completion.ts');
      await act(command, (context) => completion(context, shell));
    });

  program
    .command('version')
    .description('print the version')
    .addHelpText('after', examples('netsim version -o json'))
    .action(async (_options: object, command: Command) => {
      const { version } = await import('./commands/version.ts');
      await act(command, version);
    });

  for (const [name, instead] of planned) {
    program
      .command(name, { hidden: true })
      .argument('[words...]')
      .allowUnknownOption()
      .action(() => {
        throw new CliError(`netsim ${name} is not there yet; ${instead}`);
      });
  }

  program
    .helpCommand(false)
    .command('help')
    .description('show help of a command')
    .argument('[command...]', 'such as trace, or lab verify')
    .addHelpText('after', examples('netsim help trace'))
    .action((names: readonly string[]) => {
      let shown: Command = program;
      for (const name of names) {
        const next = shown.commands.find((child) => child.name() === name);
        if (next === undefined) shown.error(`error: unknown command '${name}'`);
        shown = next as Command;
      }
      shown.help();
    });

  for (const command of allCommands(program)) {
    command.copyInheritedSettings(program);
    const known = formatsOf(pathOf(command));
    if (known.length > 1) command.addHelpText('after', `\nOutput formats (-o): ${known.join(', ')}`);
    command.showHelpAfterError(`see ${fullName(command)} --help`);
  }
  program.showHelpAfterError('see netsim --help');
  return { program, status: () => exitStatus };
}

/** Command lines at the end of a help text. */
function examples(...lines: readonly string[]): string {
  return `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

/** The words of a command after the program's name. */
function pathOf(command: Command): string {
  return fullName(command).replace(/^\S+ ?/, '');
}

function allCommands(command: Command): Command[] {
  return command.commands.flatMap((child) => [child as Command, ...allCommands(child as Command)]);
}
