"""`python -m qaz_llm …`, the form that torchrun and srun start."""

from qaz_llm.cli import main

if __name__ == "__main__":
    main()
