#!/usr/bin/env node
import { run } from '../bundle/netsim.js';

process.exitCode = await run(['__complete', ...process.argv.slice(2)]);
