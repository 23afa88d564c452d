import type { ExecContext, Tool } from '../tool.ts';
import { type CurlOptions, type Output, readCurlOptions } from './options.ts';
import { outputName, saveBody } from './outputs.ts';
import { isRedirect, Session, type Transfer } from './transfer.ts';
import { globUrl } from './url-glob.ts';
import { writeOut } from './write-out.ts';

/** `curl` for HTTP, as it writes to a terminal: no progress meter, also where -o would make the real one show it. */
export const curl: Tool = async (args, context) => {
  const options = readCurlOptions(args, context);
  if ('code' in options) return options;
  const run = new Run(options, context);
  await run.all();
  return run.result();
};

class Run {
  readonly #options: CurlOptions;
  readonly #context: ExecContext;
  readonly #session: Session;
  #stdout = '';
  #stderr = '';
  #code = 0;

  constructor(options: CurlOptions, context: ExecContext) {
    this.#options = options;
    this.#context = context;
    this.#session = new Session(options, context, (line) => {
      if (options.verbose) this.#stderr += `${line}\n`;
    });
    for (const path of options.cookies) if (!path.includes('=')) this.#session.cookies.read(path, context.files);
    if (options.cookieJar !== undefined) this.#session.cookies.on = true;
    if (!options.silent) this.#stderr += options.warnings;
  }

  result(): { stdout: string; stderr: string; code: number } {
    return { stdout: this.#stdout, stderr: this.#stderr, code: this.#code };
  }

  async all(): Promise<void> {
    const { urls, outputs, glob, cookieJar, silent } = this.#options;
    let number = 0;
    for (const [i, pattern] of urls.entries()) {
      const globbed = glob ? globUrl(pattern) : { urls: [pattern] };
      if ('problem' in globbed) {
        this.#code = 3;
        this.#complain(3, globbed.problem);
        continue;
      }
      for (const url of globbed.urls) await this.#one(url, outputs[i], number++);
    }
    if (outputs.length > urls.length && !silent) this.#stderr += 'Warning: Got more output options than URLs\n';
    this.#session.end();
    if (cookieJar !== undefined && cookieJar !== '-') this.#context.files.write(cookieJar, this.#session.cookies.jar());
  }

  #complain(code: number, error: string): void {
    const { silent, showError } = this.#options;
    if (!silent || showError) this.#stderr += `curl: (${code}) ${error}\n`;
  }

  async #one(url: string, output: Output | undefined, number: number): Promise<void> {
    const { files } = this.#context;
    const { silent, writeOut: format, dumpHeader } = this.#options;
    const name = outputName(url, output, this.#options);
    if (name === '') {
      this.#code = 23;
      if (!silent) this.#stderr += 'curl: Remote file name has no length!\n';
      this.#complain(23, 'Failed writing received data to disk/application');
      return;
    }
    this.#session.announce(number);
    let done = await this.#withRetries(url, number);
    const heads = this.#heads;
    if (dumpHeader === '-') this.#stdout += heads;
    else if (dumpHeader !== undefined) files.write(dumpHeader, heads);
    const shown = (this.#options.include ? heads : '') + new TextDecoder().decode(done.body);
    if (name === undefined || name === '-') this.#stdout += shown;
    else if (shown !== '' && (done.code === 0 || done.code === 22 || done.code === 18)) {
      const problem = saveBody(name, shown, files, this.#options);
      if (problem !== undefined) {
        if (!silent) this.#stderr += `Warning: Failed to open the file ${name}: ${problem}\n`;
        done = { ...done, code: 23, error: 'Failure writing output to destination' };
      } else done = { ...done, savedAs: name };
    }
    if (done.code !== 0) this.#complain(done.code, done.error);
    if (format !== undefined) {
      const { stdout, stderr } = writeOut(format, done, this.#options);
      this.#stdout += stdout;
      this.#stderr += stderr;
    }
    this.#code = done.code;
    if (this.#options.cookieJar === '-') this.#stdout += this.#session.cookies.jar();
  }

  /** Heads of all responses of the last URL, the redirects among them. */
  #heads = '';

  async #withRetries(url: string, number: number): Promise<Transfer> {
    const { retries, retryRefused, retryDelay, silent } = this.#options;
    const { world } = this.#context.netns;
    for (let tries = 0, wait = 1; ; tries++, wait *= 2) {
      const done = await this.#followed(url, number);
      const refused = done.code === 7;
      const passing = done.code === 28 || done.code === 6 || [408, 429, 500, 502, 503, 504].includes(done.status);
      if (tries >= retries || !(passing || (refused && retryRefused))) return done;
      const seconds = retryDelay > 0 ? retryDelay : Math.min(wait, 600);
      const why = refused
        ? 'connection refused'
        : done.status > 0
          ? 'HTTP error'
          : done.code === 6
            ? 'host'
            : 'timeout';
      const left = retries - tries;
      if (!silent) {
        if (done.code !== 0) this.#complain(done.code, done.error);
        this.#stderr += `Warning: Problem : ${why}. Will retry in ${seconds} second${seconds === 1 ? '' : 's'}. ${left} ${left === 1 ? 'retry' : 'retries'} left.\n`;
      }
      world.advance(seconds * 1000);
    }
  }

  async #followed(url: string, number: number): Promise<Transfer> {
    const { follow, maxRedirects, data, verbose } = this.#options;
    const started = this.#context.netns.world.clock.now;
    this.#heads = '';
    let state = { bodyDropped: false, elsewhere: false };
    let done = await this.#session.transfer(url, number, state);
    const first = done;
    this.#heads += done.head;
    for (let redirects = 0; follow && done.code === 0 && isRedirect(done); ) {
      if (redirects === maxRedirects) {
        const error = `Maximum (${maxRedirects}) redirects followed`;
        if (verbose) this.#stderr += `* ${error}\n`;
        return { ...done, code: 47, error };
      }
      redirects++;
      const before = new URL(done.url.includes('://') ? done.url : `http://${done.url}`);
      if (!URL.canParse(done.location!, before.href)) {
        return { ...done, code: 3, error: 'URL using bad/illegal format or missing URL' };
      }
      const next = new URL(done.location!, before.href);
      if (verbose) this.#stderr += `* Issue another request to this URL: '${next.href}'\n`;
      const dropsBody = data !== undefined && !state.bodyDropped && done.status <= 303;
      if (dropsBody && verbose) this.#stderr += '* Switch from POST to GET\n';
      const origin = new URL(url.includes('://') ? url : `http://${url}`);
      state = {
        bodyDropped: state.bodyDropped || dropsBody,
        elsewhere: next.host !== origin.host || next.protocol !== origin.protocol,
      };
      const redirectTime = this.#context.netns.world.clock.now - started;
      const then = await this.#session.transfer(next.href, number, state);
      this.#heads += then.head;
      done = {
        ...then,
        asked: first.asked,
        redirects,
        redirectTime,
        connects: done.connects + then.connects,
        headBytes: done.headBytes + then.headBytes,
        requestBytes: done.requestBytes + then.requestBytes,
        endedAt: redirectTime + then.endedAt,
      };
    }
    return done;
  }
}
