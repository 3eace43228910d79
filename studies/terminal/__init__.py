"""Tables, trees and progress as the terminal shows them."""
