// Builds dist/ from src/ and sets the run bit that `npx lianzheng` needs. Skips the compiler when nothing changed.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const stamp = join(root, 'dist', '.built')

function newest(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}

const inputs = ['src', 'package-lock.json', 'tsconfig.json', 'scripts/tsconfig.build.json', 'scripts/build.mjs']
const changed = Math.max(...inputs.map((name) => newest(join(root, name))))
if (!existsSync(stamp) || statSync(stamp).mtimeMs < changed) {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const tsc = spawnSync(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'scripts/tsconfig.build.json')],
    {
      stdio: 'inherit'
    }
  )
  if (tsc.status !== 0) process.exit(tsc.status ?? 1)
  chmodSync(join(root, 'dist/cli/main.js'), 0o755)
  writeFileSync(stamp, '')
  utimesSync(stamp, new Date(), new Date())
}
