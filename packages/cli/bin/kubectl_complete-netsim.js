#!/usr/bin/env node
import { loadBundle } from './load-bundle.js';

process.exitCode = await loadBundle().run(['__complete', ...process.argv.slice(2)]);
