"""Runs a program with this package as aiomas: ``python -m aiomas_rs [-m module | program.py] ...``."""
import os.path
import runpy
import sys

import aiomas_rs


def main():
    args = sys.argv[1:]
    if not args or args == ['-m']:
        sys.exit('usage: python -m aiomas_rs [-m module | program.py] ...')
    aiomas_rs.install()
    if args[0] == '-m':
        sys.argv = args[1:]
        runpy.run_module(args[1], run_name='__main__', alter_sys=True)
    else:
        sys.argv = args
        sys.path[0] = os.path.dirname(os.path.abspath(args[0]))
        runpy.run_path(args[0], run_name='__main__')


if __name__ == '__main__':
    main()
